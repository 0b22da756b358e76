"""Admission, scheduling and deadlines of queued work: decides which images form a batch.

Policy only. It knows no socket, no model runtime, no thread and no metric; the owner of a
`BatchQueue` guards it with a lock and runs the batches.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.host.batching.cost_model import BatchCostModel
    from app.host.batching.reply import Reply

_RATE_MEMORY = 0.95
"""Weight of the past in the measured service rate: about the last twenty batches count."""
_PROMISED = 0.75
"""A job is admitted if it is expected to end within this share of the time to its deadline. The
expectation is from a recent rate, and a result that comes too late is wasted."""
_CORE_SPARING_S = 0.1
"""How long after a small job arrived the cores that web workers need are spared: small jobs cost
them as much time as the runtime, and wait longer for a busy core than for any batch."""

_BACKGROUND_SHARE = 0.005
"""Share of the time for background work while requests arrive: so few of them have to wait for a
background batch that the 99th percentile of the latency does not change."""
_QUIET_S = 0.1
"""After so long without a request, background work gets all the time."""


class OverloadedError(Exception):
    """Raised when a job is not admitted."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BatchKey(NamedTuple):
    """The version and priority that the jobs of one batch have in common."""

    model: str
    version: int
    background: bool = False

    def in_background(self) -> BatchKey:
        """Return the key for background jobs of the same version."""
        return self._replace(background=True)


@dataclass(slots=True, eq=False)
class Job:
    """The images of one request, and the version that was to answer it when it arrived."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels)."""
    batch_key: BatchKey
    """Jobs with the same key share batches: those of one version, foreground or background."""
    arrived: float
    deadline: float
    reply_to: Reply
    """Where the outcome goes."""
    started: float | None = None
    taken: int = 0
    answered: int = 0
    inference_s: float = 0.0
    background: bool = False
    """Run only when nothing else waits; not part of the estimated waiting time."""
    dropped: bool = False
    """Ended without an answer: its other images are not computed, and results are discarded."""
    out_of_memory: bool = False
    """Dropped because there was too little memory to compute it."""
    pieces: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Answers by the number of the first image; they come in any order."""

    @property
    def remaining(self) -> int:
        """Images that no batch has taken yet."""
        return len(self.images) - self.taken

    def probabilities(self) -> NDArray[np.float32]:
        """Join the answers of all pieces, in order; shape (n, classes)."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        return np.concatenate([self.pieces[start] for start in sorted(self.pieces)])


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive images of one job."""

    job: Job
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Pieces with the same batch key, computed by the runtime in one call."""

    batch_key: BatchKey
    pieces: list[Piece]
    size: int


@dataclass(slots=True)
class Backlog:
    """The waiting jobs that share batches."""

    small: deque[Job] = field(default_factory=deque)
    """Those that need no more than their share of a batch."""
    bulk: deque[Job] = field(default_factory=deque)
    """The others, and small ones that have begun; the oldest first."""
    waiting: int = 0
    """Images."""
    passed_over: bool = False
    """The last batch contained no bulk work, though some waited."""


class BatchQueue:
    """Waiting jobs by batch key, served round-robin; bounded in images.

    Within a batch key, a job larger than its share of a batch is bulk work, computed in pieces.
    Small jobs go before it: a few of them alone, more into half of a batch. So a single image waits
    for no bulk work, and bulk work proceeds in every other batch at least. Bulk jobs are computed
    in order of arrival, two at a time: if all took turns, later ones would delay earlier ones
    beyond their estimated time.

    Background jobs have backlogs of their own, which are served when no other job waits; and after
    a background batch not for a while, unless no requests arrive. Every figure concerns the
    foreground, unless it says otherwise.
    """

    def __init__(self, capacity: int, max_batch: int, core_sparing_streams: int = 1) -> None:
        """Begin empty.

        Args:
            capacity: Images that may wait.
            max_batch: Largest batch of a version whose costs are not known.
            core_sparing_streams: Batches computed at the same time while small jobs arrive.
        """
        self.capacity = capacity
        self.max_batch = max_batch
        self._core_sparing_streams = core_sparing_streams
        self.waiting = 0
        self._jobs: dict[Reply, Job] = {}
        """The unfinished jobs, by where their outcome goes."""
        self._bulk: dict[Job, None] = {}
        """Those that were larger than their share of a batch on arrival, in that order."""
        self._foreground: dict[BatchKey, Backlog] = {}
        self._background: dict[BatchKey, Backlog] = {}
        self.waiting_in_background = 0
        self._unfinished: dict[BatchKey, int] = {}
        self._costs: dict[BatchKey, BatchCostModel] = {}
        self._images = 0.0
        self._busy_s = 0.0
        self._core_sparing_until = 0.0
        self._background_from = 0.0
        self._quiet_from = 0.0

    def plan(self, key: BatchKey, costs: BatchCostModel) -> None:
        """Choose batch sizes for a batch key by their measured costs."""
        self._costs[key] = costs

    def limit(self, key: BatchKey) -> int:
        """Return the largest batch for a batch key, in images."""
        return self._costs[key].limit if key in self._costs else self.max_batch

    def admit(self, job: Job, now: float) -> None:
        """Admit a job.

        Raises:
            OverloadedError: If the queue is full, or the job's deadline cannot be met.
        """
        if self.waiting + len(job.images) > self.capacity:
            message = f"{self.waiting} images are waiting; the limit is {self.capacity}"
            raise OverloadedError(message, self.wait_s())
        answer_s, left_s = self.answer_s(job.batch_key, len(job.images)), job.deadline - now
        if answer_s > _PROMISED * left_s:
            message = f"an answer takes about {answer_s:.2f} s; the deadline is in {left_s:.2f} s"
            raise OverloadedError(message, self.wait_s())
        if self._is_bulk(job.batch_key, len(job.images)):
            self._bulk[job] = None
        else:
            self._core_sparing_until = now + _CORE_SPARING_S
        self._quiet_from = now + _QUIET_S
        self._enter(job, self._foreground)
        self.waiting += len(job.images)

    def admit_to_background(self, job: Job) -> bool:
        """Admit a background job; return False when the background queue is full.

        The job itself must be marked as background.
        """
        if self.waiting_in_background + len(job.images) > self.capacity:
            return False
        self._enter(job, self._background)
        self.waiting_in_background += len(job.images)
        return True

    def take(self, now: float) -> tuple[Batch | None, list[Job]]:
        """Return the next batch, and the jobs whose deadline passed while they waited."""
        expired: list[Job] = []
        while waiting := self._foreground or (
            self._background if self.background_due(now) else None
        ):
            key, backlog = next(iter(waiting.items()))
            pieces = self._fill(backlog, self._space(key, backlog), now, expired)
            del waiting[key]
            if backlog.waiting:
                waiting[key] = backlog  # to the end: batch keys take turns as well
            if pieces:
                if waiting is self._background:
                    self._background_from = math.inf  # until the time of this one is recorded
                size = sum(piece.stop - piece.start for piece in pieces)
                return Batch(key, pieces, size), expired
        return None, expired

    def background_due(self, now: float) -> bool:
        """Return True if background work waits that may run when no other job does."""
        return bool(self._background) and now >= min(self._background_from, self._quiet_from)

    def full(self) -> bool:
        """Return True if a full batch waits for any batch key."""
        return any(backlog.waiting >= self.limit(key) for key, backlog in self._foreground.items())

    def should_add_stream(self, now: float, streams: int) -> bool:
        """Return True if a full batch waits and one more stream may run beside the busy ones.

        While small jobs arrive, streams beyond the core-sparing ones are added only when the queue
        is half full: to refuse work while a core is spared for web workers would be worse.
        """
        free = now >= self._core_sparing_until or 2 * self.waiting > self.capacity
        return (free or streams < self._core_sparing_streams) and self.full()

    def discard(self, job: Job) -> None:
        """Skip the rest of a job; its backlog drops it when it comes to it."""
        self._leave(job, job.remaining)
        self._bulk.pop(job, None)
        job.dropped = True

    def cancel(self, reply_to: Reply) -> Job | None:
        """End a job that no caller waits for any more; return it, or None if it is not known."""
        job = self._jobs.get(reply_to)
        if job is not None:
            self.discard(job)
            self.finish(job)
        return job

    def pending_replies(self) -> list[Reply]:
        """Return where the outcomes of the unfinished jobs go."""
        return list(self._jobs)

    def finish(self, job: Job) -> None:
        """Remove a job that has its answer or refusal, or will not get one."""
        self._jobs.pop(job.reply_to, None)
        self._bulk.pop(job, None)
        self._unfinished[job.batch_key] -= 1

    def idle(self, key: BatchKey) -> bool:
        """Return True if no admitted job of a batch key is left."""
        return not self._unfinished.get(key)

    def forget(self, key: BatchKey) -> None:
        """Delete the state of a batch key that will get no more jobs."""
        self._unfinished.pop(key, None)
        self._costs.pop(key, None)

    def record(self, images: int, seconds: float) -> None:
        """Update the measured service rate."""
        self._images = self._images * _RATE_MEMORY + images
        self._busy_s = self._busy_s * _RATE_MEMORY + seconds

    def record_in_background(self, seconds: float, now: float) -> None:
        """Pause background work after a batch, so that it uses no more than its share."""
        self._background_from = now + seconds / _BACKGROUND_SHARE

    def wait_s(self) -> float:
        """Estimate how long all waiting work will take."""
        return self._seconds(self.waiting)

    def answer_s(self, key: BatchKey, images: int) -> float:
        """Estimate when a job of so many images that arrives now is answered, in seconds from now.

        A small job waits for those before it, and for at most as much of bulk work. Bulk work waits
        for all small jobs, and until one of the two halves of a batch is free, where it continues
        beside the other half. Work with another batch key counts as if it had the same.
        """
        limit = self.limit(key)
        halves = [0, 0]
        for job in self._bulk:
            halves[halves[1] < halves[0]] += job.remaining
        small = self.waiting - sum(halves)
        if not self._is_bulk(key, images):
            until = small + images + min(sum(halves), small + images)
        else:
            end = min(halves) + images
            until = small + end + min(max(halves), end)
        batches = -(-until // limit)
        return self._seconds(min(batches * limit, self.waiting + images))

    def _seconds(self, images: int) -> float:
        return images * self._busy_s / self._images if self._images else 0.0

    def _is_bulk(self, key: BatchKey, images: int) -> bool:
        """Return True if a job of so many images needs more than its share of a full batch."""
        return images > max(1, self.limit(key) // 2)

    def _enter(self, job: Job, backlogs: dict[BatchKey, Backlog]) -> None:
        backlog = backlogs.setdefault(job.batch_key, Backlog())
        bulk = self._is_bulk(job.batch_key, len(job.images))
        (backlog.bulk if bulk else backlog.small).append(job)
        backlog.waiting += len(job.images)
        self._jobs[job.reply_to] = job
        self._unfinished[job.batch_key] = self._unfinished.get(job.batch_key, 0) + 1

    def _leave(self, job: Job, images: int) -> None:
        """Subtract images from the waiting ones."""
        backlogs = self._background if job.background else self._foreground
        if job.batch_key in backlogs:
            backlogs[job.batch_key].waiting -= images
        if job.background:
            self.waiting_in_background -= images
        else:
            self.waiting -= images

    def _space(self, key: BatchKey, backlog: Backlog) -> int:
        """Return how many images the next batch of a backlog may hold."""
        costs = self._costs.get(key)
        return costs.next_batch_size(backlog.waiting) if costs else self.max_batch

    def _fill(self, backlog: Backlog, space: int, now: float, expired: list[Job]) -> list[Piece]:
        """Divide a batch among jobs: at most half to each, the remainder to the first."""
        shares: dict[Job, int] = {}
        free, share = space, max(1, space // 2)
        kept = (space // 2 or backlog.passed_over) if backlog.bulk else 0
        turns = ((backlog.small, kept), (backlog.bulk, 0), (backlog.small, 0))
        small_only, backlog.passed_over = self._small_only(backlog, share), bool(backlog.bulk)
        for queue, spared in turns[:1] if small_only else turns:
            while free > spared and (job := self._pop(queue, now, expired)):
                shares[job] = min(job.remaining, free - spared, share)
                free -= shares[job]
                backlog.passed_over &= queue is not backlog.bulk
        pieces = []
        for job, part in shares.items():
            more = min(job.remaining - part, free)
            pieces.append(self._take_piece(job, part + more))
            free -= more
        backlog.bulk.extendleft([job for job in shares if job.remaining][::-1])
        return pieces

    def _small_only(self, backlog: Backlog, share: int) -> bool:
        """Return True when small jobs should run without bulk work in this batch."""
        if not backlog.bulk or backlog.passed_over:
            return False
        small = 0
        for job in backlog.small:
            small += job.remaining
            if small >= share:
                return False
        return small > 0

    def _pop(self, queue: deque[Job], now: float, expired: list[Job]) -> Job | None:
        """Return the first job of a queue that has neither been dropped nor expired."""
        while queue:
            job = queue.popleft()
            if job.dropped:
                continue
            if job.deadline >= now:
                return job
            self.discard(job)
            expired.append(job)
        return None

    def _take_piece(self, job: Job, share: int) -> Piece:
        start = job.taken
        job.taken += share
        self._leave(job, share)
        return Piece(job, start, job.taken)
