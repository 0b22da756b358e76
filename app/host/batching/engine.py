"""Computes batches: owns every model in memory.

Mechanism only; `batch_queue` decides which images form a batch. Every admitted job is answered
exactly once, and `step` raises no error of a model. One thread calls it in turn with other work;
other threads may wait in `run` and help when there is more than a batch. One thing, as one lock
guards the queue, the routes and the batches in progress.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

import numpy as np

from app.host.batching.admission import OverloadedError
from app.host.batching.jobs import BatchKey, Job, Piece
from app.host.batching.reply import deliver
from app.host.batching.routing import RoutingTable
from app.host.batching.statistics import Statistics
from app.ipc.frames import Answer, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from app.host.batching.batch_queue import BatchQueue
    from app.host.batching.jobs import Batch
    from app.host.batching.loaded_version import LoadedVersion
    from app.host.batching.reply import Reply

log = logging.getLogger(__name__)

_EXPIRED = "the deadline passed"
_OUT_OF_MEMORY = "this machine has too little memory for the request at the moment"


class EngineObserver(Protocol):
    """Receives the engine's events."""

    def batch(self, size: int, seconds: float) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def predicted(
        self, model: str, classes: Sequence[str], probabilities: NDArray[np.float32]
    ) -> None: ...

    def dropped(self, reason: str) -> None: ...

    def failed(self, model: str, version: int) -> None: ...


class Engine:
    """Admits jobs, computes batches and delivers answers."""

    def __init__(
        self,
        queue: BatchQueue,
        observer: EngineObserver,
        *,
        statistics: Statistics | None = None,
        wait_s: float = 0.0,
        answer_misfit: Callable[[int, int], str | None] = lambda _images, _classes: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._observer = observer
        self._statistics = statistics or Statistics()
        self._wait_s = wait_s
        self._answer_misfit = answer_misfit
        self._clock = clock
        self._lock = threading.Lock()
        self._woken = threading.Condition(self._lock)
        self._stopped = False
        self._computing: list[Batch] = []
        """Those whose answers are not delivered yet, the oldest first."""
        self._streams = 1
        """Active threads: the one that calls `step`, and those in `run` that do not wait."""
        self._routing = RoutingTable()
        self.routes = self._routing.routes
        """Snapshots, by model: the versions in memory; any thread may read them."""
        self.on_routed: Callable[[str], None] = lambda _model: None
        """Called when the routes of a model have changed, while no job is admitted: web workers
        know a version before its first answer, and it serves before their first request for it."""
        self._waiting_since = 0.0
        self.on_retired: Callable[[str, int], None] = lambda _model, _version: None
        self.on_answered: Callable[[Job, Answer], None] = lambda _job, _answer: None
        """Called for every foreground answer after it was sent, by the thread that sent it."""
        self.on_computing: Callable[[LoadedVersion], None] = lambda _version: None
        """Called before every batch, as the process may crash in it."""

    def serve(self, version: LoadedVersion, *, default: bool = True) -> None:
        """Start to admit jobs for a version.

        Args:
            version: The version to serve.
            default: Route later jobs of its model that name no version to it; the version before
                finishes its jobs.
        """
        costs = version.runtime_plan.costs
        with self._lock:
            self._queue.plan(version.key, costs)
            self._queue.plan(version.key.in_background(), costs.short_batches())
            self._routing.add(version, default=default)
            self.on_routed(version.name)

    def make_default(self, model: str, version: int) -> None:
        """Route later jobs of a model that name no version to a serving version."""
        with self._lock:
            self._routing.make_default(model, version)
            self.on_routed(model)

    def retire(self, model: str, version: int) -> None:
        """Stop admitting jobs for a version, and drop it once its last answer is delivered."""
        with self._lock:
            self._routing.retire(model, version)
            self.on_routed(model)
        self._drop_retired()

    def submit(
        self,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
        reply_to: Reply,
        *,
        model: str,
        version: int = 0,
        or_default: bool = False,
    ) -> Refused | None:
        """Admit the images of a request, or return why not.

        Args:
            rows: Number of images.
            pixels: uint8, row-major, image after image.
            deadline: Clock reading after which the answer is not wanted.
            reply_to: Where the outcome goes.
            model: Name of the model.
            version: Number of its version; 0 is the default version.
            or_default: Fall back to the default version if that one does not serve.
        """
        with self._lock:
            found = self._routing.find(model, version, or_default=or_default)
            if isinstance(found, Refused):
                refused: Refused | None = found
            else:
                refused = self._admit(found, rows, pixels, deadline, reply_to)
                if refused is not None:
                    self._statistics.refused(found.key)
        if refused is not None:
            self._notify(self._observer.dropped, refused.reason.name.lower())
        return refused

    def submit_to_background(
        self, model: str, version: int, images: NDArray[np.uint8], reply_to: Reply
    ) -> bool:
        """Queue images as background work; return False when the background queue is full.

        Args:
            model: Name of the model.
            version: Number of a version whose input has the shape of these images.
            images: Shape (n, rows, columns, channels).
            reply_to: Where the outcome goes.
        """
        with self._lock:
            found = self._routing.available(model, version)
            if found is None:
                return False
            key = found.key.in_background()
            job = Job(images, key, self._clock(), math.inf, reply_to, background=True)
            return self._queue.admit_to_background(job)

    def loaded(self, model: str, version: int) -> LoadedVersion | None:
        """Return a version in memory, even if it is retiring."""
        return self._routing.loaded(model, version)

    def computes(self, batch: Batch) -> LoadedVersion | None:
        """Return the version that computes a batch; None if it is over and the version dropped."""
        return self._routing.loaded(batch.batch_key.model, batch.batch_key.version)

    def pending_replies(self) -> list[Reply]:
        """Return where the outcomes of the unfinished jobs go."""
        with self._lock:
            return self._queue.pending_replies()

    def cancel(self, replies: Iterable[Reply]) -> None:
        """End jobs that no caller waits for any more, without computing the rest of them."""
        for reply_to in replies:
            with self._lock:
                job = self._queue.cancel(reply_to)
                now = self._clock()
                reason = "expired" if job and job.deadline < now else "abandoned"
                if job is not None:
                    self._statistics.ended([(job, Refused(Refusal.EXPIRED, 0.0, reason))], now)
            if job is not None:
                self._notify(self._observer.dropped, reason)

    def step(self) -> float | None:
        """Compute the next batch, if it is due.

        Returns:
            Seconds after which to call again; None if nothing waits, or only work that can wait
            for the next call.
        """
        with self._lock:
            pause_s = self._pause_s()
            if pause_s:
                return pause_s
            batch, expired = self._queue.take(self._clock())
            for job in expired:
                self._queue.finish(job)
            if batch is not None:
                self._computing.append(batch)
            if self._queue.should_add_stream(self._clock(), self._streams):
                self._woken.notify()
        try:
            ended: list[tuple[Job, Answer | Refused]] = [
                (job, self._refuse(Refusal.EXPIRED, _EXPIRED)) for job in expired
            ]
            if batch is not None:
                ended += self._execute(batch)
            if ended:
                deliver((job.reply_to, outcome) for job, outcome in ended)
                self._statistics.ended(ended, self._clock())
                self._notify_answered(ended)
        finally:
            self._drop_retired(batch)
        with self._lock:
            due = self._queue.waiting or self._queue.background_due(self._clock())
            return self._pause_s() if due else None

    def run(self) -> None:
        """Compute full batches beside the thread that calls `step`, until stopped.

        Less than a full batch is left to that thread: two threads that share it make smaller
        batches, which take longer together, and use one core more.
        """
        while self._join():
            try:
                self.step()
            except Exception:  # a bug; its jobs are lost, and the loop continues
                log.exception("batch lost by an internal error")
            finally:
                with self._lock:
                    self._streams -= 1

    def stop(self) -> None:
        """End `run` in every thread, after the batches in progress."""
        with self._lock:
            self._stopped = True
            self._woken.notify_all()

    def oldest(self) -> Batch | None:
        """Return the batch in progress that started first."""
        return next(iter(self._computing), None)

    def _join(self) -> bool:
        """Wait until there is work for one more thread; return False when stopped."""

        def wanted() -> bool:
            return self._stopped or self._queue.should_add_stream(self._clock(), self._streams)

        with self._lock:
            self._woken.wait_for(wanted)
            self._streams += 1
            return not self._stopped

    def _pause_s(self) -> float:
        """Return how long a batch that is not full still waits for more images."""
        if not self._wait_s or not self._queue.waiting or self._queue.full():
            return 0.0
        return max(0.0, self._waiting_since + self._wait_s - self._clock())

    def _admit(
        self,
        serving: LoadedVersion,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
        reply_to: Reply,
    ) -> Refused | None:
        takes = serving.description
        shape = (rows, *takes.input_shape)
        if rows < 1 or len(pixels) != math.prod(shape):
            message = f"{len(pixels)} bytes are not {rows} images of {takes.input_shape}"
            return Refused(Refusal.MISFIT, 0.0, message)
        if misfit := self._answer_misfit(rows, len(takes.classes)):
            return Refused(Refusal.TOO_LARGE, 0.0, misfit)
        images = np.frombuffer(pixels, np.uint8).reshape(shape)
        now = self._clock()
        if deadline < now:
            return Refused(Refusal.EXPIRED, 0.0, _EXPIRED)
        if not self._queue.waiting:
            self._waiting_since = now
        try:
            self._queue.admit(Job(images, serving.key, now, deadline, reply_to), now)
        except OverloadedError as exc:
            return Refused(Refusal.OVERLOADED, exc.retry_after_s, str(exc))
        return None

    def _execute(self, batch: Batch) -> list[tuple[Job, Answer | Refused]]:
        key = batch.batch_key
        loaded = self._routing.of(key)
        started = self._clock()
        for piece in batch.pieces:
            if piece.start == 0:
                piece.job.started = started
                if not key.background:
                    self._notify(self._observer.waited, started - piece.job.arrived)
        self._notify(self.on_computing, loaded)
        results = self._compute(loaded, batch.pieces)
        ended_at = self._clock()
        seconds = ended_at - started
        with self._lock:
            if key.background:
                self._queue.record_in_background(seconds, ended_at)
            else:
                # Concurrent batches share the time: the queue measures the total rate.
                self._queue.record(batch.size, seconds / len(self._computing))
            done = zip(batch.pieces, results, strict=True)
            ended = [piece.job for piece, rows in done if self._store(piece, rows, seconds)]
        self._notify(self._observer.batch, batch.size, seconds)
        self._statistics.batch(key, batch.size, seconds)
        return [(job, self._outcome(job, loaded)) for job in ended]

    def _compute(
        self, loaded: LoadedVersion, pieces: Sequence[Piece]
    ) -> list[NDArray[np.float32] | None]:
        """Return the probabilities of each piece; None if the model failed on it.

        A batch that raises is halved until the failing piece is alone, so that the other requests
        get their answers.
        """
        parts = [piece.job.images[piece.start : piece.stop] for piece in pieces]
        size = sum(map(len, parts))
        try:
            probabilities = loaded.model.predict(parts)
            _check_probabilities(probabilities, size, len(loaded.description.classes))
        except Exception as exc:
            if len(pieces) == 1:
                pieces[0].job.out_of_memory = isinstance(exc, MemoryError)
                log.exception("%s version %d failed on a request", loaded.name, loaded.version)
                return [None]
            middle = len(pieces) // 2
            return self._compute(loaded, pieces[:middle]) + self._compute(loaded, pieces[middle:])
        if not pieces[0].job.background:
            classes = loaded.description.classes
            self._notify(self._observer.predicted, loaded.name, classes, probabilities)
        starts = accumulate(map(len, parts[:-1]), initial=0)
        spans = zip(starts, parts, strict=True)
        return [probabilities[start : start + len(part)] for start, part in spans]

    def _store(self, piece: Piece, rows: NDArray[np.float32] | None, seconds: float) -> bool:
        """Store the results of a piece; return True if its job ends with them."""
        job = piece.job
        if job.dropped:  # while this was computed it was cancelled, or another piece failed
            return False
        job.inference_s += seconds
        if rows is None:
            self._queue.discard(job)
        else:
            job.pieces[piece.start] = rows
            job.answered += len(rows)
            if job.answered < len(job.images):
                return False
        self._queue.finish(job)
        return True

    def _outcome(self, job: Job, loaded: LoadedVersion) -> Answer | Refused:
        if job.dropped and job.out_of_memory:  # not the version's fault
            return Refused(Refusal.OVERLOADED, 1.0, _OUT_OF_MEMORY)
        if job.dropped and job.background:
            return Refused(Refusal.FAILED, 0.0, "the model failed on these images")
        if job.dropped:
            self._notify(self._observer.failed, loaded.name, loaded.version)
            return self._refuse(Refusal.FAILED, "the model failed on this request")
        queue_s = (job.started or job.arrived) - job.arrived
        return Answer(loaded.version, queue_s, job.inference_s, job.probabilities())

    def _refuse(self, reason: Refusal, message: str) -> Refused:
        self._notify(self._observer.dropped, reason.name.lower())
        return Refused(reason, 0.0, message)

    def _notify_answered(self, ended: Sequence[tuple[Job, Answer | Refused]]) -> None:
        for job, outcome in ended:
            if isinstance(outcome, Answer) and not job.background:
                self._notify(self.on_answered, job, outcome)

    def _notify(self, event: Callable[..., None], *facts: object) -> None:
        """Call an observer; log its failure, so that it cannot end the loop."""
        try:
            event(*facts)
        except Exception:
            log.exception("observer callback failed")

    def _drop_retired(self, batch: Batch | None = None) -> None:
        """Drop retired versions whose last batch is delivered; `batch` has just been."""
        with self._lock:
            if batch is not None:
                self._computing.remove(batch)
            gone = self._routing.drop_idle(self._idle) if self._routing.retiring else ()
            for key in gone:
                self._queue.forget(key)
                self._statistics.forget(key)
        for model, version, background in gone:
            if not background:
                self.on_retired(model, version)

    def _idle(self, key: BatchKey) -> bool:
        return self._queue.idle(key) and all(b.batch_key != key for b in self._computing)


def _check_probabilities(probabilities: NDArray[np.float32], images: int, classes: int) -> None:
    """Check the output of a model.

    Raises:
        ValueError: If it has another shape, or values that are no numbers.
    """
    if probabilities.shape != (images, classes):
        raise ValueError(f"the model gave {probabilities.shape} for {images} images")
    if not np.isfinite(probabilities).all():
        raise ValueError("the model gave NaN or infinity")
