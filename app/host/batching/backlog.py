"""Schedules the waiting jobs of one batch key: decides which of their images form a batch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from app.host.batching.jobs import Job, Piece


@dataclass(slots=True)
class Backlog:
    """The waiting jobs that share batches.

    A job larger than its share of a batch is bulk work, computed in pieces. Small jobs go before
    it: a few of them alone, more into half of a batch. So a single image waits for no bulk work,
    and bulk work proceeds in every other batch at least. Bulk jobs are computed in order of
    arrival, two at a time: if all took turns, later ones would delay earlier ones beyond their
    estimated time.
    """

    small: deque[Job] = field(default_factory=deque)
    """Those that need no more than their share of a batch."""
    bulk: deque[Job] = field(default_factory=deque)
    """The others, and small ones that have begun; the oldest first."""
    waiting: int = 0
    """Images."""
    passed_over: bool = False
    """The last batch contained no bulk work, though some waited."""

    def add(self, job: Job, *, bulk: bool) -> None:
        """Add a job, as the last one."""
        (self.bulk if bulk else self.small).append(job)
        self.waiting += len(job.images)

    def fill(self, space: int, now: float, expired: list[Job]) -> list[Piece]:
        """Divide a batch among jobs: at most half to each, the remainder to the first.

        Args:
            space: Images that the batch may hold.
            now: Clock reading.
            expired: Gets the jobs whose deadline passed while they waited; they are dropped.
        """
        shares: dict[Job, int] = {}
        free, share = space, max(1, space // 2)
        kept = (space // 2 or self.passed_over) if self.bulk else 0
        turns = ((self.small, kept), (self.bulk, 0), (self.small, 0))
        small_only, self.passed_over = self._small_only(share), bool(self.bulk)
        for queue, spared in turns[:1] if small_only else turns:
            while free > spared and (job := self._pop(queue, now, expired)):
                shares[job] = min(job.remaining, free - spared, share)
                free -= shares[job]
                self.passed_over &= queue is not self.bulk
        pieces = []
        for job, part in shares.items():
            more = min(job.remaining - part, free)
            pieces.append(self._take_piece(job, part + more))
            free -= more
        self.bulk.extendleft([job for job in shares if job.remaining][::-1])
        return pieces

    def _small_only(self, share: int) -> bool:
        """Return True when small jobs should run without bulk work in this batch."""
        if not self.bulk or self.passed_over:
            return False
        small = 0
        for job in self.small:
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
            job.dropped = True
            self.waiting -= job.remaining
            expired.append(job)
        return None

    def _take_piece(self, job: Job, share: int) -> Piece:
        start = job.taken
        job.taken += share
        self.waiting -= share
        return Piece(job, start, job.taken)
