"""Computes the batches: owns every model in memory.

Mechanism only; which images form a batch is `batching`'s business. Every admitted job is answered
exactly once, and whoever calls `step` outlives any error of a model.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from app.frames import Answer, Refusal, Refused
from app.host.batching import BatchQueue, Job, OverloadedError, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.host.batching import Batch
    from app.host.curve import Curve
    from app.host.runtimes.base import Model

log = logging.getLogger(__name__)

Delivery = tuple[Any, Answer | Refused]
"""Whoever asked, and what they get."""


class Observer(Protocol):
    """Who is told what the engine does."""

    def batch(self, size: int, seconds: float) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def predicted(
        self, model: str, classes: Sequence[str], probabilities: NDArray[np.float32]
    ) -> None: ...

    def dropped(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that passed its trial and waits for work."""

    name: str
    version: int
    model: Model
    curve: Curve
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]


class Engine:
    """Admits jobs, computes batches and delivers answers."""

    def __init__(
        self,
        queue: BatchQueue,
        deliver: Callable[[list[Delivery]], None],
        observer: Observer,
        *,
        wait_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._deliver = deliver
        self._observer = observer
        self._wait_s = wait_s
        self._clock = clock
        self._lock = threading.Lock()
        self._versions: dict[int, LoadedVersion] = {}
        self._serving: LoadedVersion | None = None
        self._waiting_since = 0.0
        self.on_retired: Callable[[int], None] = lambda _version: None

    def serve(self, version: LoadedVersion, announce: Callable[[], None]) -> None:
        """Give every later job to this version; the earlier ones finish what they have.

        Args:
            version: What serves from now on.
            announce: Tells the web workers. It runs while no job is admitted, so that they know a
                version before its first answer, and it serves before their first request for it.
        """
        with self._lock:
            announce()
            self._queue.plan(version.version, version.curve)
            self._versions[version.version] = version
            self._serving = version

    def submit(
        self, rows: int, pixels: bytes | memoryview, deadline: float, origin: object
    ) -> Refused | None:
        """Admit the images of a request, or say why not.

        Args:
            rows: Number of images.
            pixels: uint8, row-major, image after image.
            deadline: Clock reading after which nobody waits.
            origin: Given back with the answer.
        """
        with self._lock:
            refused = self._admit(rows, pixels, deadline, origin)
        if refused is not None:
            self._tell(self._observer.dropped, refused.reason.name.lower())
        return refused

    def origins(self) -> list[Any]:
        """List whoever has not got an answer yet."""
        with self._lock:
            return self._queue.origins()

    def cancel(self, origins: Sequence[object]) -> None:
        """Drop the images, of jobs that nobody waits for any more, that no batch has taken."""
        for origin in origins:
            with self._lock:
                job = self._queue.cancel(origin)
                reason = "expired" if job and job.deadline < self._clock() else "abandoned"
            if job is not None:
                self._tell(self._observer.dropped, reason)

    def step(self) -> float | None:
        """Compute the next batch, if it is time for one.

        Returns:
            Seconds after which to call again; None where nothing waits.
        """
        with self._lock:
            pause_s = self._pause_s()
            if pause_s:
                return pause_s
            batch, expired = self._queue.take(self._clock())
        deliveries = [self._refuse(job, Refusal.EXPIRED, "the deadline passed") for job in expired]
        if batch is not None:
            deliveries += self._execute(batch)
        if deliveries:
            self._deliver(deliveries)
        self._retire()
        with self._lock:
            return self._pause_s() if self._queue.waiting else None

    def _pause_s(self) -> float:
        """Tell how long a batch that has room still waits for company."""
        if not self._wait_s or not self._serving:
            return 0.0
        if not 0 < self._queue.waiting < self._queue.limit(self._serving.version):
            return 0.0
        return max(0.0, self._waiting_since + self._wait_s - self._clock())

    def _admit(
        self, rows: int, pixels: bytes | memoryview, deadline: float, origin: object
    ) -> Refused | None:
        serving = self._serving
        if serving is None:
            return Refused(Refusal.NOT_READY, 1.0, "no version is loaded yet")
        shape = (rows, *serving.input_shape)
        if rows < 1 or len(pixels) != math.prod(shape):
            sentence = f"{len(pixels)} bytes are not {rows} images of {serving.input_shape}"
            return Refused(Refusal.MISFIT, 0.0, sentence)
        images = np.frombuffer(pixels, np.uint8).reshape(shape)
        now = self._clock()
        if deadline < now:
            return Refused(Refusal.EXPIRED, 0.0, "the deadline passed")
        if not self._queue.waiting:
            self._waiting_since = now
        try:
            self._queue.admit(Job(images, serving.version, now, deadline, origin), now)
        except OverloadedError as exc:
            return Refused(Refusal.OVERLOADED, exc.retry_after_s, str(exc))
        return None

    def _execute(self, batch: Batch) -> list[Delivery]:
        loaded = self._versions[batch.version]
        started = self._clock()
        for piece in batch.pieces:
            if piece.job.started is None:
                piece.job.started = started
                self._tell(self._observer.waited, started - piece.job.arrived)
        failed = self._compute(loaded, batch.pieces)
        seconds = self._clock() - started
        with self._lock:
            self._queue.record(batch.size, seconds)
        self._tell(self._observer.batch, batch.size, seconds)
        deliveries = [self._fail(job) for job in failed]
        for piece in batch.pieces:
            job = piece.job
            job.inference_s += seconds
            if job.answered == len(job.images) and job not in failed:
                deliveries.append(self._answer(job))
        return deliveries

    def _compute(self, loaded: LoadedVersion, pieces: Sequence[Piece]) -> list[Job]:
        """Fill in the pieces' answers; gives the jobs that the model could not answer.

        A batch that raises is halved until the poisonous piece stands alone, so that the requests
        beside it get their answers.
        """
        parts = [piece.job.images[piece.start : piece.stop] for piece in pieces]
        size = sum(map(len, parts))
        try:
            probabilities = loaded.model.predict(parts)
            if probabilities.shape != (size, len(loaded.classes)):
                raise ValueError(f"the model gave {probabilities.shape} for {size} images")  # noqa: TRY301
        except Exception:
            if len(pieces) == 1:
                log.exception("version %d failed on a request", loaded.version)
                return [pieces[0].job]
            middle = len(pieces) // 2
            return self._compute(loaded, pieces[:middle]) + self._compute(loaded, pieces[middle:])
        self._tell(self._observer.predicted, loaded.name, loaded.classes, probabilities)
        start = 0
        for piece in pieces:
            stop = start + piece.stop - piece.start
            piece.job.pieces.append(probabilities[start:stop])
            piece.job.answered += stop - start
            start = stop
        return []

    def _answer(self, job: Job) -> Delivery:
        with self._lock:
            self._queue.finish(job)
        queue_s = (job.started or job.arrived) - job.arrived
        return job.origin, Answer(job.version, queue_s, job.inference_s, job.probabilities())

    def _fail(self, job: Job) -> Delivery:
        with self._lock:
            self._queue.discard(job)
        return self._refuse(job, Refusal.FAILED, "the model failed on this request")

    def _refuse(self, job: Job, reason: Refusal, sentence: str) -> Delivery:
        with self._lock:
            self._queue.finish(job)
        self._tell(self._observer.dropped, reason.name.lower())
        return job.origin, Refused(reason, 0.0, sentence)

    def _tell(self, event: Callable[..., None], *facts: object) -> None:
        """Report to the observer, whose failure costs a line in the log and not the loop."""
        try:
            event(*facts)
        except Exception:
            log.exception("the observer failed")

    def _retire(self) -> None:
        """Drop versions that no longer serve once their last job is answered."""
        with self._lock:
            serving = self._serving.version if self._serving else None
            gone = [v for v in self._versions if v != serving and self._queue.idle(v)]
            for version in gone:
                del self._versions[version]
                self._queue.forget(version)
        for version in gone:
            self.on_retired(version)
