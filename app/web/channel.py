"""The web worker's one connection to the model host, shared by all its requests.

Each request is a frame with an id; answers come back in any order. Frames that are posted while
others are being written go out in one write. When the host dies, what it had not answered is sent
once more to its successor: a prediction has no side effect.
"""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import gevent
from gevent import socket
from gevent.event import AsyncResult, Event

from app.frames import (
    Answer,
    FrameError,
    FrameReader,
    Kind,
    Refusal,
    Refused,
    encode,
    encode_predict,
)
from app.status import HostStatus
from app.web.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotReadyError,
    OverloadedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.frames import Frame
    from app.status import LoadedModel

log = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_RECONNECT_S = 0.05
_SENDS = 2
"""How often a request may be sent; one that kills the host must not do so for ever."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer, and what its version calls its classes."""

    answer: Answer
    classes: tuple[str, ...]


Outcome = Prediction | Refused | bytes
"""What ends a call; bytes are an exposition of metrics."""


@dataclass(slots=True, eq=False)
class _Call:
    """A request that waits for its answer."""

    frame: bytes
    needs_version: bool
    result: AsyncResult[Outcome] = field(default_factory=AsyncResult)
    sends: int = 0
    posted: bool = False
    """Sent on the connection that stands now."""


class HostChannel:
    """Asks the model host on behalf of every request of this worker."""

    def __init__(
        self, path: Path, largest_frame: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._largest_frame = largest_frame
        self._clock = clock
        self._ids = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._outgoing: list[bytes] = []
        self._to_write = Event()
        self._settled = Event()
        self._socket: socket.socket | None = None
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self.status = HostStatus(
            model="", ready=False, starting=True, reason="the model host is being started"
        )

    def start(self) -> None:
        """Connect, and connect again whenever the host went away."""
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Give the connection up."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def serving(self, deadline: float) -> LoadedModel:
        """Give the model that new requests get; waits while the first one is being loaded.

        Raises:
            NotReadyError: If none serves, or still none at the deadline.
        """
        if self.status.starting:
            self._settled.wait(max(0.0, deadline - self._clock()))
        serving = self.status.serving
        if serving is None or serving.loaded is None:
            raise _not_ready(self.status)
        return serving.loaded

    def predict(self, rows: int, pixels: bytes, deadline: float) -> Prediction:
        """Have images classified.

        Args:
            rows: Number of images.
            pixels: uint8, row-major, image after image.
            deadline: Clock reading after which nobody waits.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        request_id = next(self._ids)
        frame = encode_predict(request_id, deadline, rows, pixels)
        outcome = self._ask(request_id, _Call(frame, needs_version=True), deadline)
        if isinstance(outcome, Refused):
            raise _refusal(outcome)
        assert isinstance(outcome, Prediction)  # noqa: S101 - PREDICT is answered with these two
        return outcome

    def metrics(self, deadline: float) -> bytes:
        """Fetch the host's metrics in Prometheus' text format.

        Raises:
            ServiceError: If the host is away or does not answer before the deadline.
        """
        request_id = next(self._ids)
        call = _Call(encode(Kind.METRICS, request_id), needs_version=False)
        if self._socket is None:
            raise HostLostError("the model host is away")
        exposition = self._ask(request_id, call, deadline)
        assert isinstance(exposition, bytes)  # noqa: S101 - the host answers METRICS with METRICS
        return exposition

    def _ask(self, request_id: int, call: _Call, deadline: float) -> Outcome:
        self._calls[request_id] = call
        try:
            if self._socket is not None and (self.status.ready or not call.needs_version):
                self._post(call)  # else it goes out as soon as a version serves
            outcome = call.result.get(timeout=max(0.0, deadline - self._clock()))
        except gevent.Timeout:
            raise DeadlineError("no answer from the model host before the deadline") from None
        finally:
            del self._calls[request_id]
        assert outcome is not None  # noqa: S101 - results are never set to None
        return outcome

    def _post(self, call: _Call) -> None:
        call.sends += 1
        call.posted = True
        self._outgoing.append(call.frame)
        self._to_write.set()

    def _run(self) -> None:
        while True:
            try:
                self._converse()
            except (OSError, FrameError) as exc:
                log.debug("no connection to the model host: %s", exc)
            except Exception:  # without this greenlet the worker would be cut off for good
                log.exception("the model host could not be understood")
            self._lose()
            gevent.sleep(_RECONNECT_S)

    def _converse(self) -> None:
        """Connect and read frames until the connection ends."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self._path))
            self._socket = sock
            writer = gevent.spawn(self._write, sock)
            try:
                reader = FrameReader(self._largest_frame)
                while data := sock.recv(_READ_BYTES):
                    for frame in reader.feed(data):
                        self._receive(frame)
            finally:
                writer.kill()

    def _write(self, sock: socket.socket) -> None:
        while True:
            self._to_write.wait()
            self._to_write.clear()
            frames, self._outgoing = self._outgoing, []
            try:
                sock.sendall(b"".join(frames))
            except OSError:
                return  # the reading side sees the same, and what was lost is sent again

    def _receive(self, frame: Frame) -> None:
        if frame.kind == Kind.STATUS:
            self._settle(HostStatus.model_validate_json(frame.body))
            return
        call = self._calls.get(frame.request_id)
        if call is None:
            return  # whoever asked has stopped waiting
        if frame.kind == Kind.ANSWER:
            answer = Answer.decode(frame.body)
            # Looked up now: a version may be forgotten by the time that the request goes on.
            call.result.set(Prediction(answer, self.status.classes(answer.version)))
        elif frame.kind == Kind.REFUSAL:
            call.result.set(Refused.decode(frame.body))
        else:
            call.result.set(frame.body)

    def _settle(self, status: HostStatus) -> None:
        """Take a new status in, and let those who waited for it go on."""
        self.status = status
        if status.starting:
            self._settled.clear()
            return
        self._settled.set()
        for call in self._calls.values():
            if call.needs_version and not call.posted:
                if status.ready:
                    self._post(call)
                else:
                    call.result.set_exception(_not_ready(status))

    def _lose(self) -> None:
        """Note that the host is away; what it had once is kept for the next one."""
        if self._socket is None:
            return
        log.warning("the model host went away; %d requests wait for it", len(self._calls))
        self._socket = None
        self._outgoing.clear()
        self._settle(
            HostStatus(
                model=self.status.model,
                ready=False,
                starting=True,
                reason="the model host is being started again",
            )
        )
        for call in self._calls.values():
            call.posted = False
            if not call.result.ready() and (call.sends == _SENDS or not call.needs_version):
                sentence = "the model host went away before it answered"
                call.result.set_exception(HostLostError(sentence, retry_after_s=1))


_REFUSALS: dict[Refusal, type[ServiceError]] = {
    Refusal.OVERLOADED: OverloadedError,
    Refusal.EXPIRED: DeadlineError,
    Refusal.NOT_READY: NotReadyError,
    Refusal.FAILED: ModelFailedError,
    Refusal.MISFIT: BadInputError,
}


def _refusal(refused: Refused) -> ServiceError:
    again = refused.reason in (Refusal.OVERLOADED, Refusal.NOT_READY)
    retry_after_s = refused.retry_after_s if again else None
    return _REFUSALS[refused.reason](refused.sentence, retry_after_s=retry_after_s)


def _not_ready(status: HostStatus) -> NotReadyError:
    return NotReadyError(status.reason or "no version serves", retry_after_s=1)
