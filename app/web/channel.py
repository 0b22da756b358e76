"""The web worker's one connection to the model host, shared by all its requests.

Each request is a frame with an id; answers come back in any order. A request waits for a future
that the reading side resolves, and one timer watches the deadlines of all. When the host dies, what
it had not answered is sent once more to its successor: a prediction has no side effect.

Everything here runs on the event loop; threads ask through `BlockingHost`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from app.frames import (
    Answer,
    Kind,
    Refusal,
    Refused,
    encode,
    encode_predict,
    example_body,
    with_model,
)
from app.host_trouble import read_host_trouble
from app.statistics import STATISTICS
from app.status import HostStatus
from app.web.directory import Directory, not_ready, silent
from app.web.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    ServiceError,
    TooLargeError,
)
from app.web.host_connection import HostConnection
from app.web.repeating import repeat
from app.web.shedding import Shedding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from app.frames import Frame
    from app.statistics import VersionStatistics
    from app.status import LoadedModel, ModelStatus

log = logging.getLogger(__name__)

_NAME = "the channel to the model host"
_CLOSED = "the service is shutting down"
_RECONNECT_S = 0.05
_LONGEST_RECONNECT_S = 5.0
"""Between two tries after a host was not understood again and again."""
_MOST_USELESS = 16
"""Tries that are counted; the longest pause is reached before."""
_SWEEP_S = 0.01
"""How often deadlines are looked at while anybody waits, and so how late they may be noticed."""
_PULSES = 4
"""How many looks make up the time after which a host is given up until it speaks."""
_STARTING_PULSES = 4 * _PULSES
"""The same for a host that does not serve yet: importing a runtime holds its loop up."""
_SENDS = 2
"""How often a request may be sent; one that kills the host must not do so for ever."""
_UNSENT_LIMIT = 4 * 2**20
"""Bytes that may wait to be written before requests are refused: what the host reads in some 50 ms.
More would come when its deadline has gone, and cost the host the time to read it. One request may
always wait, however large."""
_HELD_LIMIT = 64 * 2**20
"""Bytes of requests that may wait for a version to serve."""


class Prediction(NamedTuple):
    """An answer, and what its version calls its classes."""

    answer: Answer
    classes: tuple[str, ...]


Outcome = Prediction | bytes | ServiceError
"""What ends a call; bytes are metrics, statistics, or what came of an operator's request."""


@dataclass(slots=True, eq=False)
class _Call:
    """A request that waits for its outcome."""

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


class HostChannel:
    """Asks the model host on behalf of every request of this worker."""

    def __init__(
        self,
        path: Path,
        largest_frame: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        silence_s: float = 10.0,
        on_shed: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            path: The host's socket.
            largest_frame: Bound on what the host sends, in bytes.
            clock: Monotonic seconds, the same that the host reads.
            silence_s: A host that says nothing for so long should have been replaced. It is not
                asked until it speaks; four times as long before it serves. One that is merely late
                is asked as long as the caller's deadline allows.
            on_shed: Told why a request is refused without asking the host: it is `full`, too much
                is `unsent`, or too much is `held` while no version serves.
        """
        self._path = path
        self._largest_frame = largest_frame
        self._clock = clock
        self._on_shed = on_shed
        self._shedding = Shedding(clock)
        self._held = 0
        """Bytes of the requests that wait for a version to serve."""
        self._ids = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        """Those that have no outcome yet, by the id of their frame."""
        self._connection: HostConnection | None = None
        """The last one; it may not be open yet, or not any more."""
        self._closed = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._pulse_s = silence_s / _PULSES
        self._useless = 0
        """Connections in a row that ended for what came on them, or before anything came."""
        self._greeted = False
        """The host has told its status on the connection that stands."""
        self._quiet = 0
        """Pulses since anything came on the connection that stands."""
        self._silent = False
        self._changed = asyncio.Event()
        """Set when the status changes, and then another takes its place."""
        reason = "the model host is being started"
        self._directory = Directory(HostStatus.away("", reason, starting=True))
        self._told = self.status
        """What the host said last, though it may have fallen silent since."""

    def start(self) -> None:
        """Connect, and connect again whenever the host went away; called on the event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = (
            loop.create_task(repeat(self._be_connected, _NAME)),
            loop.create_task(repeat(self._await_pulse, _NAME)),
        )

    def close(self) -> None:
        """Close the connection, and refuse what waits and whatever is asked from now on."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._connection is not None:
            self._connection.close()
        for request_id in list(self._calls):
            self._end(request_id, HostLostError(_CLOSED, retry_after_s=1))
        self._settle(HostStatus.away(self.status.model, _CLOSED, starting=False))

    @property
    def status(self) -> HostStatus:
        """What the host says of itself, or what must be said of it."""
        return self._directory.status

    def model(self, name: str | None = None) -> ModelStatus:
        """Return what is known of a model; None is the default one.

        Raises:
            NotFoundError: If there is none of that name.
        """
        return self._directory.model(name)

    def serving_now(self, model: str | None = None, version: int = 0) -> LoadedModel | None:
        """Return what answers requests, or None where one must wait for it or there is none.

        Args:
            model: Its name; None is the default one.
            version: 0 is its default one.
        """
        if model is None and not version:
            return self._directory.serving
        try:
            return self._directory.version(model, version)
        except ServiceError:
            return None

    async def serving(
        self, deadline: float, size: int = 0, *, model: str | None = None, version: int = 0
    ) -> LoadedModel:
        """Return what answers requests; waits while a model's first version is being loaded.

        Args:
            deadline: Clock reading after which nobody waits.
            size: Bytes that whoever waits holds.
            model: Its name; None is the default one.
            version: 0 is its default one.

        Raises:
            NotFoundError: If there is no such model, or no such version of it serves.
            NotReadyError: If none serves, or still none at the deadline, or too much waits, or the
                version that is asked for is still being loaded.
        """
        serving = self._directory.serving
        if model is None and not version and serving is not None:
            return serving
        if self._directory.awaited(model):
            await self._hold(deadline, size, model)
        return self._directory.version(model, version)

    async def _hold(self, deadline: float, size: int, model: str | None) -> None:
        """Wait until it is known whether a version of a model serves."""
        if self._held + size > _HELD_LIMIT:
            self._on_shed("held")
            sentence = f"{self.status.reason}; requests of {self._held} bytes wait for it"
            raise NotReadyError(sentence, retry_after_s=1)
        self._held += size
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - self._clock())):
                    while self._directory.awaited(model):
                        await self._changed.wait()
        finally:
            self._held -= size

    async def predict(
        self,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
        *,
        model: str | None = None,
        version: int = 0,
        or_default: bool = False,
    ) -> Prediction:
        """Have images classified.

        Args:
            rows: Number of images.
            pixels: uint8, row-major, image after image.
            deadline: Clock reading after which nobody waits.
            model: Its name; None is the default one.
            version: 0 is its default one.
            or_default: If that version is gone when the request comes, the default one will do.

        When the task that waits here is cancelled, the host drops the images that no batch has
        taken.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        refused = self._shedding.refusal(rows, deadline)
        if refused is not None:
            self._on_shed("full")
            raise _refusal(refused)
        request_id = next(self._ids)
        place = self._directory.places.get(model, 0)
        frame = encode_predict(request_id, deadline, rows, pixels, place, version, or_default)
        outcome = await self._ask(request_id, frame, deadline, rows, model)
        assert isinstance(outcome, Prediction)  # noqa: S101 - PREDICT is answered with one
        return outcome

    async def admin(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Have the host do what an operator asks for.

        Args:
            request: What is to be done, as JSON has it.
            deadline: Clock reading after which nobody waits; it may be done all the same.

        Raises:
            ServiceError: If the host is away or does not answer before the deadline.
        """
        told = await self._ask_host(Kind.ADMIN, deadline, orjson.dumps(request))
        answer: dict[str, Any] = orjson.loads(told)
        return answer

    async def metrics(self, deadline: float) -> bytes:
        """Fetch the host's metrics in Prometheus' text format.

        Raises:
            ServiceError: If the host is away or does not answer before the deadline.
        """
        return await self._ask_host(Kind.METRICS, deadline)

    async def statistics(self, deadline: float) -> list[VersionStatistics]:
        """Fetch what callers asked of each version; one that nobody asked may be missing.

        Raises:
            ServiceError: If the host is away or does not answer before the deadline.
        """
        return STATISTICS.validate_json(await self._ask_host(Kind.STATISTICS, deadline))

    async def example(self, deadline: float, *, model: str | None = None) -> NDArray[np.uint8]:
        """Fetch a golden image of a model's default version, in the shape of its input.

        Raises:
            ServiceError: If nothing of the model serves, or the host is away or does not answer
                before the deadline.
        """
        found = self.model(model)
        serving = found.serving
        if not found.ready or serving is None or serving.loaded is None:
            raise not_ready(found)
        place = self._directory.places[model]
        body = example_body(place, serving.version)
        pixels = await self._ask_host(Kind.EXAMPLE, deadline, body)
        return np.frombuffer(pixels, np.uint8).reshape(serving.loaded.input_shape)

    async def _ask_host(self, kind: Kind, deadline: float, body: bytes = b"") -> bytes:
        """Ask what needs no version."""
        if self._standing is None or self._silent:
            raise HostLostError("the model host is away", retry_after_s=1)
        request_id = next(self._ids)
        outcome = await self._ask(request_id, encode(kind, request_id, body), deadline, 0, None)
        assert isinstance(outcome, bytes)  # noqa: S101 - the host answers with the same kind
        return outcome

    async def _ask(
        self, request_id: int, frame: bytes, deadline: float, rows: int, model: str | None
    ) -> Outcome:
        """Post a frame, and wait for what comes of it."""
        if self._closed:
            raise HostLostError(_CLOSED, retry_after_s=1)
        if len(frame) > self._largest_frame:
            found = f"the request takes {len(frame)} bytes on its way to the model host"
            raise TooLargeError(f"{found}; at most {self._largest_frame} are taken")
        loop = asyncio.get_running_loop()
        call = _Call(frame, deadline, rows, model, loop.create_future())
        connection = self._standing
        if connection is not None:
            unsent = connection.unsent
            if unsent and unsent + len(frame) > _UNSENT_LIMIT:
                self._on_shed("unsent")
                sentence = f"{unsent} bytes wait to be sent to the model host"
                raise OverloadedError(sentence, retry_after_s=1)
            if not rows or model in self._directory.places:
                self._post(connection, call)  # else it goes out as soon as a version serves
        self._calls[request_id] = call
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_later(_SWEEP_S, self._sweep)
        try:
            outcome = await call.outcome
        except asyncio.CancelledError:
            if self._calls.pop(request_id, None) is not None:
                self._abandon(request_id, call)
            raise
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    def _post(self, connection: HostConnection, call: _Call) -> None:
        call.sends += 1
        call.posted = True
        call.left_s = call.deadline - self._clock()
        connection.post(call.frame)

    def _end(self, request_id: int, outcome: Outcome) -> None:
        """Resolve a call, and forget it."""
        call = self._calls.pop(request_id)
        if not call.outcome.done():  # its task may be cancelled in this very turn
            call.outcome.set_result(outcome)

    def _abandon(self, request_id: int, call: _Call) -> None:
        """Spare the host what nobody waits for any more."""
        connection = self._standing
        if connection is not None and call.posted and call.rows:
            connection.post(encode(Kind.CANCEL, request_id))

    def _sweep(self) -> None:
        """End the calls whose deadline has passed."""
        now = self._clock()
        for request_id, call in [c for c in self._calls.items() if c[1].deadline <= now]:
            self._abandon(request_id, call)
            late = DeadlineError("no answer from the model host before the deadline")
            self._end(request_id, late)
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(_SWEEP_S, self._sweep) if self._calls else None

    @property
    def _standing(self) -> HostConnection | None:
        """The connection, if what is posted on it is sent."""
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    async def _be_connected(self) -> None:
        """Connect, note when the host goes away, and pause."""
        # Noted before it is open: the host may speak before this task goes on.
        self._connection = HostConnection(self._largest_frame, self._receive)
        self._quiet = 0
        self._greeted = False
        try:
            await self._connection.open(self._path)
        except OSError as exc:
            log.debug("no connection to the model host: %s", exc)
            self._tell_trouble()
            pause_s = _RECONNECT_S
        else:
            pause_s = self._pause_after(await self._connection.ended)
            self._lose()
        await asyncio.sleep(pause_s)

    def _tell_trouble(self) -> None:
        """Say why there is no host, if it is known; nobody is to wait for one then."""
        trouble = read_host_trouble(self._path.parent)
        if trouble is None:
            return
        reason = f"the model host cannot start: {trouble}; it is tried again"
        if self.status.reason != reason:
            self._told = HostStatus.away(self.status.model, reason, starting=False)
            self._settle(self._told)

    async def _await_pulse(self) -> None:
        """Look for silence in every pulse.

        Pulses are counted, and no clock is read: time in which this process itself stood still
        must not be held against the host.
        """
        await asyncio.sleep(self._pulse_s)
        self._count_pulse()

    def _count_pulse(self) -> None:
        """Give a host up that should have been replaced for its silence, until it speaks again."""
        if self._standing is None:
            self._quiet = 0
            return
        self._quiet += 1
        if self._quiet < (_PULSES if self._told.ready else _STARTING_PULSES):
            return
        if not self._silent:
            log.warning("the model host is silent; %d requests wait for it", len(self._calls))
        self._silent = True
        silent_s = self._quiet * self._pulse_s
        limit_s = _PULSES * self._pulse_s
        reason = (
            f"the model host has been silent for {silent_s:.1f} s; "
            f"it should have been replaced after {limit_s:g} s"
        )
        self._settle(silent(self._told, reason))

    def _receive(self, frame: Frame) -> None:
        kind, request_id, body = frame
        self._quiet = 0
        if self._silent:
            log.info("the model host speaks again")
            self._silent = False
            self._settle(self._told)
        if kind == Kind.STATUS:
            self._told = HostStatus.model_validate_json(body)
            self._greeted = True
            self._settle(self._told)
            return
        call = self._calls.get(request_id)
        if call is None:
            return  # whoever asked has stopped waiting
        outcome: Outcome = body
        if kind == Kind.ANSWER:
            answer = Answer.decode(body)
            self._useless = 0
            # Looked up now: a version may be forgotten by the time that the request goes on.
            outcome = Prediction(answer, self._directory.classes(call.model, answer.version))
        elif kind == Kind.REFUSAL:
            refused = Refused.decode(body)
            if refused.reason == Refusal.OVERLOADED:
                self._shedding.note(call.rows, call.left_s, refused)
            outcome = self._directory.judged(call.model, _refusal(refused))
        self._end(request_id, outcome)

    def _settle(self, status: HostStatus) -> None:
        """Take a new status in, and let those who waited for it go on."""
        self._directory = Directory(status)
        self._changed.set()
        self._changed = asyncio.Event()
        for request_id, call in list(self._calls.items()):
            if not call.rows or call.posted:
                continue
            if call.model in self._directory.places:
                self._post_again(call)
            elif not self._directory.awaited(call.model):
                self._end(request_id, self._directory.refusal(call.model))

    def _post_again(self, call: _Call) -> None:
        """Send what could not be sent before, or was to another host, where its model is now."""
        connection = self._standing
        if connection is not None:
            call.frame = with_model(call.frame, self._directory.places[call.model])
            self._post(connection, call)

    def _lose(self) -> None:
        """Note that the host is away; what it had once is kept for the next one."""
        log.warning("the model host went away; %d requests wait for it", len(self._calls))
        self._silent = False
        reason = "the model host is being started again"
        self._told = HostStatus.away(self.status.model, reason, starting=True)
        self._settle(self._told)
        for request_id, call in list(self._calls.items()):
            call.posted = False
            if call.sends == _SENDS or not call.rows:
                sentence = "the model host went away before it answered"
                self._end(request_id, HostLostError(sentence, retry_after_s=1))

    def _pause_after(self, why: Exception) -> float:
        """Return the seconds to the next try: more each time for a host that is not understood."""
        if self._greeted and isinstance(why, OSError):
            self._useless = 0
            return _RECONNECT_S
        pause_s: float = min(_RECONNECT_S * 2**self._useless, _LONGEST_RECONNECT_S)
        self._useless = min(self._useless + 1, _MOST_USELESS)
        if not isinstance(why, OSError):
            log.error(
                "the model host could not be understood: %s: %s; the next try is in %.2f s",
                type(why).__name__,
                str(why).partition("\n")[0],
                pause_s,
            )
        return pause_s


_REFUSALS: dict[Refusal, type[ServiceError]] = {
    Refusal.OVERLOADED: OverloadedError,
    Refusal.EXPIRED: DeadlineError,
    Refusal.NOT_READY: NotReadyError,
    Refusal.FAILED: ModelFailedError,
    Refusal.MISFIT: BadInputError,
    Refusal.NOT_FOUND: NotFoundError,
    Refusal.TOO_LARGE: TooLargeError,
}


def _refusal(refused: Refused) -> ServiceError:
    again = refused.reason in (Refusal.OVERLOADED, Refusal.NOT_READY)
    retry_after_s = refused.retry_after_s if again else None
    return _REFUSALS[refused.reason](refused.sentence, retry_after_s=retry_after_s)
