"""Admission of jobs: estimates when one is answered, and refuses those that would be too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.host.batching.jobs import Job

_RATE_MEMORY = 0.95
"""Weight of the past in the measured service rate: about the last twenty batches count."""
_PROMISED = 0.75
"""A job is admitted if it is expected to end within this share of the time to its deadline. The
expectation is from a recent rate, and a result that comes too late is wasted."""


class OverloadedError(Exception):
    """Raised when a job is not admitted."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def is_bulk(images: int, limit: int) -> bool:
    """Return True if a job of so many images needs more than its share of a full batch."""
    return images > max(1, limit // 2)


class Admission:
    """Knows the service rate and the bulk work; the queue passes in how much waits."""

    def __init__(self, capacity: int) -> None:
        """Create without a measured rate.

        Args:
            capacity: Images that may wait.
        """
        self._capacity = capacity
        self._images = 0.0
        self._busy_s = 0.0
        self._bulk: dict[Job, None] = {}
        """The jobs that were larger than their share of a batch on arrival, in that order."""

    def admit(self, job: Job, now: float, *, waiting: int, limit: int) -> bool:
        """Admit a job; return True if it is bulk work.

        Args:
            job: The job.
            now: Clock reading.
            waiting: Images that wait.
            limit: Largest batch for the job.

        Raises:
            OverloadedError: If the queue is full, or the deadline cannot be met.
        """
        images, left_s = len(job.images), job.deadline - now
        if waiting + images > self._capacity:
            message = f"{waiting} images are waiting; the limit is {self._capacity}"
            raise OverloadedError(message, self.seconds(waiting))
        answer_s = self.answer_s(images, waiting=waiting, limit=limit)
        if answer_s > _PROMISED * left_s:
            message = f"an answer takes about {answer_s:.2f} s; the deadline is in {left_s:.2f} s"
            raise OverloadedError(message, self.seconds(waiting))
        bulk = is_bulk(images, limit)
        if bulk:
            self._bulk[job] = None
        return bulk

    def forget(self, job: Job) -> None:
        """Count a job no more: it is not to be computed, or has been."""
        self._bulk.pop(job, None)

    def answer_s(self, images: int, *, waiting: int, limit: int) -> float:
        """Estimate when a job of so many images that arrives now is answered, in seconds from now.

        A small job waits for those before it, and for at most as much of bulk work. Bulk work waits
        for all small jobs, and until one of the two halves of a batch is free, where it continues
        beside the other half. Work with another batch key counts as if it had the same.
        """
        halves = [0, 0]
        for job in self._bulk:
            halves[halves[1] < halves[0]] += job.remaining
        small = waiting - sum(halves)
        if not is_bulk(images, limit):
            until = small + images + min(sum(halves), small + images)
        else:
            end = min(halves) + images
            until = small + end + min(max(halves), end)
        batches = -(-until // limit)
        return self.seconds(min(batches * limit, waiting + images))

    def seconds(self, images: int) -> float:
        """Estimate how long so many images take."""
        return images * self._busy_s / self._images if self._images else 0.0

    def record(self, images: int, seconds: float) -> None:
        """Update the measured service rate."""
        self._images = self._images * _RATE_MEMORY + images
        self._busy_s = self._busy_s * _RATE_MEMORY + seconds
