"""Requests that wait for the model host: posted, posted again, and ended in time."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.ipc.frames import Answer, Kind, Refusal, Refused, encode, with_model
from app.web.host_client.host_link import HostLink
from app.web.host_client.load_shedding import Shedding
from app.web.host_client.model_index import ModelIndex
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import (
    DeadlineError,
    HostLostError,
    OverloadedError,
    ServiceError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.ipc.frames import Frame
    from app.ipc.status import HostStatus
    from app.web.host_client.connection import HostConnection

_CLOSED = "the service is shutting down"
_SWEEP_S = 0.01
"""How often deadlines are looked at while anybody waits, and so how late they may be noticed."""
_SENDS = 2
"""How often a request may be sent; one that kills the host must not do so for ever."""
_UNSENT_LIMIT = 4 * 2**20
"""Bytes that may wait to be written before requests are refused: what the host reads in some 50 ms.
More would come when its deadline has gone, and cost the host the time to read it. One request may
always wait, however large."""


class Prediction(NamedTuple):
    """An answer, and the class names of its version."""

    answer: Answer
    classes: tuple[str, ...]


Outcome = Prediction | bytes | ServiceError
"""What ends a call; bytes are metrics, statistics, or what came of an operator's request."""


@dataclass(slots=True, eq=False)
class _Call:
    """A request without a result yet."""

    frame: bytes
    deadline: float
    rows: int
    """Number of images; what is about none needs no version."""
    model: str | None
    """None is the default one."""
    outcome: asyncio.Future[Outcome]
    left_s: float = 0.0
    """From when it was sent to its deadline."""
    sends: int = 0
    posted: bool = False
    """Sent on the connection that stands now."""


class Calls:
    """Every request that the host has not answered."""

    def __init__(
        self,
        path: Path,
        largest_frame: int,
        clock: Callable[[], float],
        silence_s: float,
        on_shed: Callable[[str], None],
    ) -> None:
        """Prepare; see `HostChannel` for the arguments."""
        self._largest_frame = largest_frame
        self._clock = clock
        self._on_shed = on_shed
        self._closed = False
        self._sweep_timer: asyncio.TimerHandle | None = None
        self.shedding = Shedding(clock)
        self.ids = itertools.count(1)
        self.open: dict[int, _Call] = {}
        """Those that have no outcome yet, by the id of their frame."""
        self.link = HostLink(path, largest_frame, silence_s, self)
        self.model_index = ModelIndex(self.link.status)
        self.changed = asyncio.Event()
        """Set when the directory changes, and then another takes its place."""

    @property
    def waiting(self) -> int:
        """Return the number of open calls."""
        return len(self.open)

    def close(self) -> None:
        """Fail the open calls and all later ones."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for request_id in list(self.open):
            self._end(
                request_id, HostLostError(_CLOSED, retry_after_s=1, code=ErrorCode.SERVICE_DRAINING)
            )
        self.link.close(_CLOSED)

    async def ask(
        self,
        request_id: int,
        frame: bytes,
        deadline: float,
        rows: int = 0,
        model: str | None = None,
    ) -> Outcome:
        """Send a frame, and return its result.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        if self._closed:
            raise HostLostError(_CLOSED, retry_after_s=1, code=ErrorCode.SERVICE_DRAINING)
        if len(frame) > self._largest_frame:
            found = f"the request takes {len(frame)} bytes on its way to the model host"
            raise TooLargeError(f"{found}; at most {self._largest_frame} are taken")
        loop = asyncio.get_running_loop()
        call = _Call(frame, deadline, rows, model, loop.create_future())
        connection = self.link.open_connection
        if connection is not None:
            unsent = connection.unsent
            if unsent and unsent + len(frame) > _UNSENT_LIMIT:
                self._on_shed("unsent")
                message = f"{unsent} bytes wait to be sent to the model host"
                raise OverloadedError(message, retry_after_s=1)
            if not rows or model in self.model_index.indices:
                self._post(connection, call)  # else it goes out as soon as a version serves
        self.open[request_id] = call
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_later(_SWEEP_S, self._sweep)
        try:
            outcome = await call.outcome
        except asyncio.CancelledError:
            if self.open.pop(request_id, None) is not None:
                self._abandon(request_id, call)
            raise
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    def receive(self, frame: Frame) -> None:
        """End the call that a frame answers."""
        kind, request_id, body = frame
        call = self.open.get(request_id)
        if call is None:
            return  # the caller has stopped waiting
        outcome: Outcome = body
        if kind == Kind.ANSWER:
            answer = Answer.decode(body)
            self.link.useless = 0
            # Looked up now: a version may be forgotten by the time that the request goes on.
            outcome = Prediction(answer, self.model_index.classes(call.model, answer.version))
        elif kind == Kind.REFUSAL:
            refused = Refused.decode(body)
            if refused.reason == Refusal.OVERLOADED:
                self.shedding.note(call.rows, call.left_s, refused)
            outcome = self.model_index.error(call.model, refused)
        self._end(request_id, outcome)

    def settle(self, status: HostStatus) -> None:
        """Store a new status, and wake the tasks that wait for it."""
        self.model_index = ModelIndex(status)
        self.changed.set()
        self.changed = asyncio.Event()
        connection = self.link.open_connection
        for request_id, call in list(self.open.items()):
            if not call.rows or call.posted:
                continue
            index = self.model_index.indices.get(call.model)
            if index is None and not self.model_index.awaited(call.model):
                self._end(request_id, self.model_index.not_serving(call.model))
            elif index is not None and connection is not None:
                call.frame = with_model(call.frame, index)  # it may be another host's by now
                self._post(connection, call)

    def lose(self) -> None:
        """Keep the calls that this host got first for the next host."""
        for request_id, call in list(self.open.items()):
            call.posted = False
            if call.sends == _SENDS or not call.rows:
                message = "the model host went away before it answered"
                self._end(request_id, HostLostError(message, retry_after_s=1))

    def _post(self, connection: HostConnection, call: _Call) -> None:
        call.sends += 1
        call.posted = True
        call.left_s = call.deadline - self._clock()
        connection.post(call.frame)

    def _end(self, request_id: int, outcome: Outcome) -> None:
        """Resolve a call, and forget it."""
        call = self.open.pop(request_id)
        if not call.outcome.done():  # its task may be cancelled in this very turn
            call.outcome.set_result(outcome)

    def _abandon(self, request_id: int, call: _Call) -> None:
        """Cancel a call at the host that nobody waits for."""
        connection = self.link.open_connection
        if connection is not None and call.posted and call.rows:
            connection.post(encode(Kind.CANCEL, request_id))

    def _sweep(self) -> None:
        """End the calls whose deadline has passed."""
        now = self._clock()
        for request_id, call in [c for c in self.open.items() if c[1].deadline <= now]:
            self._abandon(request_id, call)
            late = DeadlineError("no answer from the model host before the deadline")
            self._end(request_id, late)
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(_SWEEP_S, self._sweep) if self.open else None
