"""When is a batch a batch: admission, turns and deadlines of the work that waits.

Policy only. It knows no socket, no model runtime, no thread and no metric; whoever owns a
`BatchQueue` guards it with a lock and runs the batches.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.host.batching.cost_model import BatchCostModel

_RATE_MEMORY = 0.95
"""Weight of the past in the measured service rate: about the last twenty batches count."""
_PROMISED = 0.75
"""Share of the time to its deadline in which a job must be expected to end, to be let in. The rate
is that of the moment before, and what is computed too late is computed for nobody."""
_CORE_SPARING_S = 0.1
"""So long after a small job came, the cores that web workers need are left to them: small jobs cost
those as much as the runtime, and wait longer for a core that is taken than for any batch."""

_BACKGROUND_SHARE = 0.005
"""Of the time, for the background while callers come: so few of them find a batch of it in their
way that the slowest hundredth stays as slow as it is without."""
_QUIET_S = 0.1
"""After so long without a caller the background gets all the time."""


class OverloadedError(Exception):
    """Raised when a job is refused at the door."""

    def __init__(self, sentence: str, retry_after_s: float) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class BatchKey(NamedTuple):
    """What the jobs of one batch have in common."""

    model: str
    version: int
    background: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """The images of one request, bound to the version that was to answer it when it came."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels)."""
    batch_key: BatchKey
    """Jobs of one lane share batches: those of one version, in the foreground or background."""
    arrived: float
    deadline: float
    reply_to: Any
    """Whoever asked; opaque here."""
    started: float | None = None
    taken: int = 0
    answered: int = 0
    inference_s: float = 0.0
    background: bool = False
    """It is run when nothing else waits, and counts for nobody's waiting time."""
    dropped: bool = False
    """It has ended without an answer: no more of it is taken, and nobody gets what was."""
    out_of_memory: bool = False
    """It was dropped because there was too little memory to compute it."""
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
    """What the runtime computes in one go: pieces that are all of one lane."""

    batch_key: BatchKey
    pieces: list[Piece]
    size: int


@dataclass(slots=True)
class Backlog:
    """The waiting jobs that share batches."""

    small: deque[Job] = field(default_factory=deque)
    """Those that ask for no more than their share of a batch."""
    bulk: deque[Job] = field(default_factory=deque)
    """The others, and small ones that are begun; the oldest one first."""
    waiting: int = 0
    """Images."""
    passed_over: bool = False
    """The last batch took of no bulk work, though some waited."""


class BatchQueue:
    """Waiting jobs, in lanes that take turns; bounded in images.

    Within a lane, a job larger than its share of a batch is bulk work, computed in pieces. Small
    jobs go before it: a few of them alone, more into half of a batch. So a single image waits for
    no bulk work, and bulk work goes on, in every other batch at least. Bulk jobs go in the order in
    which they came, two at a time: were all to take turns, those that come later would make them
    later than they were promised.

    What is admitted to the background has lanes of its own, which get a turn when no other lane
    waits; and after a batch none for a while, unless callers stay away. Every figure is of the
    foreground, unless it says otherwise.
    """

    def __init__(self, capacity: int, max_batch: int, core_sparing_streams: int = 1) -> None:
        """Begin empty.

        Args:
            capacity: Images that may wait.
            max_batch: Largest batch of a lane whose curve is not known.
            core_sparing_streams: Batches computed at the same time while small jobs come.
        """
        self.capacity = capacity
        self.max_batch = max_batch
        self._core_sparing_streams = core_sparing_streams
        self.waiting = 0
        self._jobs: dict[Any, Job] = {}
        """The unfinished jobs, by origin."""
        self._bulk: dict[Job, None] = {}
        """Those that were larger than their share of a batch when they came, in that order."""
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
        """Cut a lane's batches by what they were measured to cost."""
        self._costs[key] = costs

    def limit(self, key: BatchKey) -> int:
        """Give the largest batch of a lane, in images."""
        return self._costs[key].limit if key in self._costs else self.max_batch

    def admit(self, job: Job, now: float) -> None:
        """Let a job in.

        Raises:
            OverloadedError: If the queue is full, or the job's deadline cannot be met.
        """
        if self.waiting + len(job.images) > self.capacity:
            sentence = f"{self.waiting} images are waiting; the limit is {self.capacity}"
            raise OverloadedError(sentence, self.wait_s())
        answer_s, left_s = self.answer_s(job.batch_key, len(job.images)), job.deadline - now
        if answer_s > _PROMISED * left_s:
            sentence = f"an answer takes about {answer_s:.2f} s; the deadline is in {left_s:.2f} s"
            raise OverloadedError(sentence, self.wait_s())
        if self._is_bulk(job.batch_key, len(job.images)):
            self._bulk[job] = None
        else:
            self._core_sparing_until = now + _CORE_SPARING_S
        self._quiet_from = now + _QUIET_S
        self._enter(job, self._foreground)
        self.waiting += len(job.images)

    def admit_to_background(self, job: Job) -> bool:
        """Let a job in that nobody waits for; False where as much waits as may in the foreground.

        The job says itself that it is one of the background's.
        """
        if self.waiting_in_background + len(job.images) > self.capacity:
            return False
        self._enter(job, self._background)
        self.waiting_in_background += len(job.images)
        return True

    def take(self, now: float) -> tuple[Batch | None, list[Job]]:
        """Cut the next batch; also gives the jobs whose deadline passed while they waited."""
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
                    self._background_from = math.inf  # until it is known how long this one took
                size = sum(piece.stop - piece.start for piece in pieces)
                return Batch(key, pieces, size), expired
        return None, expired

    def background_due(self, now: float) -> bool:
        """Say whether something waits in the background that may be computed if nothing else is."""
        return bool(self._background) and now >= min(self._background_from, self._quiet_from)

    def full(self) -> bool:
        """Say whether a full batch waits in any lane."""
        return any(backlog.waiting >= self.limit(key) for key, backlog in self._foreground.items())

    def should_add_stream(self, now: float, streams: int) -> bool:
        """Say whether a full batch waits that one more stream may compute, beside so many at work.

        While small jobs come, streams beyond the considerate ones may only when the queue is half
        full: to refuse work while a core is spared for web workers would be worse.
        """
        free = now >= self._core_sparing_until or 2 * self.waiting > self.capacity
        return (free or streams < self._core_sparing_streams) and self.full()

    def discard(self, job: Job) -> None:
        """Never take the rest of a job; its lane lets go of it when its turn comes."""
        self._leave(job, job.remaining)
        self._bulk.pop(job, None)
        job.dropped = True

    def cancel(self, reply_to: Any) -> Job | None:
        """End the job that nobody waits for any more; gives it, or None where it is not known."""
        job = self._jobs.get(reply_to)
        if job is not None:
            self.discard(job)
            self.finish(job)
        return job

    def pending_replies(self) -> list[Any]:
        """List the origins of the unfinished jobs."""
        return list(self._jobs)

    def finish(self, job: Job) -> None:
        """Note that a job has got its answer or refusal, or is not to get one."""
        self._jobs.pop(job.reply_to, None)
        self._bulk.pop(job, None)
        self._unfinished[job.batch_key] -= 1

    def idle(self, key: BatchKey) -> bool:
        """Say whether no admitted job of a lane is left."""
        return not self._unfinished.get(key)

    def forget(self, key: BatchKey) -> None:
        """Drop the books of a lane that is to get no jobs any more."""
        self._unfinished.pop(key, None)
        self._costs.pop(key, None)

    def record(self, images: int, seconds: float) -> None:
        """Feed the measured service rate."""
        self._images = self._images * _RATE_MEMORY + images
        self._busy_s = self._busy_s * _RATE_MEMORY + seconds

    def record_in_background(self, seconds: float, now: float) -> None:
        """Let the background rest after a batch, so that it has no more than its share."""
        self._background_from = now + seconds / _BACKGROUND_SHARE

    def wait_s(self) -> float:
        """Estimate how long all the work that waits now will take."""
        return self._seconds(self.waiting)

    def answer_s(self, key: BatchKey, images: int) -> float:
        """Estimate how long a job of so many images, if it came now, waits for its last one.

        A small job waits for those before it, and for at most as much of bulk work. Bulk work waits
        for all small jobs, and until one of the two halves of a batch is free, in which it goes on
        beside what is in the other. Another lane's work counts as if it were in the same.
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
        """Say whether a job of so many images wants more than it gets of a full batch."""
        return images > max(1, self.limit(key) // 2)

    def _enter(self, job: Job, backlogs: dict[BatchKey, Backlog]) -> None:
        backlog = backlogs.setdefault(job.batch_key, Backlog())
        bulk = self._is_bulk(job.batch_key, len(job.images))
        (backlog.bulk if bulk else backlog.small).append(job)
        backlog.waiting += len(job.images)
        self._jobs[job.reply_to] = job
        self._unfinished[job.batch_key] = self._unfinished.get(job.batch_key, 0) + 1

    def _leave(self, job: Job, images: int) -> None:
        """Count images out of those that wait."""
        backlogs = self._background if job.background else self._foreground
        if job.batch_key in backlogs:
            backlogs[job.batch_key].waiting -= images
        if job.background:
            self.waiting_in_background -= images
        else:
            self.waiting -= images

    def _space(self, key: BatchKey, backlog: Backlog) -> int:
        """Decide how many images the next batch of a lane holds at most."""
        costs = self._costs.get(key)
        return costs.next_batch_size(backlog.waiting) if costs else self.max_batch

    def _fill(self, backlog: Backlog, space: int, now: float, expired: list[Job]) -> list[Piece]:
        """Share a batch out: at most half of it to each job, what is left to the first."""
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
        """Say whether small jobs go alone: they are few, and bulk would make them wait longer."""
        if not backlog.bulk or backlog.passed_over:
            return False
        small = 0
        for job in backlog.small:
            small += job.remaining
            if small >= share:
                return False
        return small > 0

    def _pop(self, queue: deque[Job], now: float, expired: list[Job]) -> Job | None:
        """Give the first job of a queue that somebody waits for."""
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
