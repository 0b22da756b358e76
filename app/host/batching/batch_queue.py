"""The queue of all jobs: admits them, and returns the next batch.

Policy only. It knows no socket, no model runtime, no thread and no metric; the owner of a
`BatchQueue` guards it with a lock and runs the batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.host.batching.admission import Admission, is_bulk
from app.host.batching.background_budget import BackgroundBudget
from app.host.batching.backlog import Backlog
from app.host.batching.jobs import Batch, BatchKey, Job

if TYPE_CHECKING:
    from app.host.batching.cost_model import BatchCostModel
    from app.host.batching.reply import Reply

_CORE_SPARING_S = 0.1
"""How long after a small job arrived the cores that web workers need are spared: small jobs cost
them as much time as the runtime, and wait longer for a busy core than for any batch."""


class BatchQueue:
    """Waiting jobs by batch key, served round-robin; bounded in images.

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
        self._core_sparing_until = 0.0
        self._admission = Admission(capacity)
        self._budget = BackgroundBudget()
        self.waiting = 0
        self.waiting_in_background = 0
        self._foreground: dict[BatchKey, Backlog] = {}
        self._background: dict[BatchKey, Backlog] = {}
        self._jobs: dict[Reply, Job] = {}
        """The unfinished jobs, by where their outcome goes."""
        self._unfinished: dict[BatchKey, int] = {}
        self._costs: dict[BatchKey, BatchCostModel] = {}

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
        limit = self.limit(job.batch_key)
        bulk = self._admission.admit(job, now, waiting=self.waiting, limit=limit)
        if not bulk:
            self._core_sparing_until = now + _CORE_SPARING_S
        self._budget.request_arrived(now)
        self._enter(job, self._foreground, bulk=bulk)
        self.waiting += len(job.images)

    def admit_to_background(self, job: Job) -> bool:
        """Admit a background job; return False when the background queue is full.

        The job itself must be marked as background.
        """
        images = len(job.images)
        if self.waiting_in_background + images > self.capacity:
            return False
        self._enter(job, self._background, bulk=is_bulk(images, self.limit(job.batch_key)))
        self.waiting_in_background += images
        return True

    def take(self, now: float) -> tuple[Batch | None, list[Job]]:
        """Return the next batch, and the jobs whose deadline passed while they waited."""
        expired: list[Job] = []
        batch = None
        while batch is None and self._foreground:
            waiting, batch = self._take(self._foreground, now, expired)
            self.waiting -= waiting
        while batch is None and self.background_due(now):
            waiting, batch = self._take(self._background, now, expired)
            self.waiting_in_background -= waiting
            if batch is not None:
                self._budget.begun()
        for job in expired:
            self._admission.forget(job)
        return batch, expired

    def background_due(self, now: float) -> bool:
        """Return True if background work waits that may run when no other job does."""
        return bool(self._background) and self._budget.allows(now)

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
        backlogs = self._background if job.background else self._foreground
        if job.batch_key in backlogs:
            backlogs[job.batch_key].waiting -= job.remaining
        if job.background:
            self.waiting_in_background -= job.remaining
        else:
            self.waiting -= job.remaining
        self._admission.forget(job)
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
        self._admission.forget(job)
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
        self._admission.record(images, seconds)

    def record_in_background(self, seconds: float, now: float) -> None:
        """Pause background work after a batch, so that it uses no more than its share."""
        self._budget.ended(seconds, now)

    def wait_s(self) -> float:
        """Estimate how long all waiting work will take."""
        return self._admission.seconds(self.waiting)

    def answer_s(self, key: BatchKey, images: int) -> float:
        """Estimate when a job of so many images that arrives now is answered."""
        return self._admission.answer_s(images, waiting=self.waiting, limit=self.limit(key))

    def _enter(self, job: Job, backlogs: dict[BatchKey, Backlog], *, bulk: bool) -> None:
        backlogs.setdefault(job.batch_key, Backlog()).add(job, bulk=bulk)
        self._jobs[job.reply_to] = job
        self._unfinished[job.batch_key] = self._unfinished.get(job.batch_key, 0) + 1

    def _take(
        self, backlogs: dict[BatchKey, Backlog], now: float, expired: list[Job]
    ) -> tuple[int, Batch | None]:
        """Return how many images the first backlog is shorter by, and the batch made of them."""
        key, backlog = next(iter(backlogs.items()))
        before, costs = backlog.waiting, self._costs.get(key)
        space = costs.next_batch_size(before) if costs else self.max_batch
        pieces = backlog.fill(space, now, expired)
        del backlogs[key]
        if backlog.waiting:
            backlogs[key] = backlog  # to the end: batch keys take turns as well
        size = sum(piece.stop - piece.start for piece in pieces)
        return before - backlog.waiting, Batch(key, pieces, size) if pieces else None
