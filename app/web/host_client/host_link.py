"""The link to the model host: connected again when it ends, given up while the host is silent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from app.config.host_trouble import read_host_trouble
from app.ipc.frames import Kind
from app.ipc.status import HostStatus
from app.web.host_client.connection import HostConnection
from app.web.host_client.model_index import silent
from app.web.http.repeating_task import repeat

if TYPE_CHECKING:
    from pathlib import Path

    from app.ipc.frames import Frame

log = logging.getLogger(__name__)

_NAME = "the channel to the model host"
_RECONNECT_S = 0.05
_LONGEST_RECONNECT_S = 5.0
"""Between two tries after a host was not understood again and again."""
_MOST_USELESS = 16
"""Tries that are counted; the longest pause is reached before."""
_HEARTBEATS = 4
"""How many heartbeats make up the time after which a host is given up until it speaks."""
_STARTING_HEARTBEATS = 4 * _HEARTBEATS
"""The same for a host that does not serve yet: importing a runtime holds its loop up."""


class Caller(Protocol):
    """The user of a link."""

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait for the host."""

    def settle(self, status: HostStatus) -> None:
        """Store the new status of the host."""

    def receive(self, frame: Frame) -> None:
        """Handle an answer of the host."""

    def lose(self) -> None:
        """Note that the connection is gone, with all that was posted on it."""


class HostLink:
    """Keeps the one connection to the model host, and the status of the host."""

    def __init__(self, path: Path, largest_frame: int, silence_s: float, caller: Caller) -> None:
        """Prepare; `start` connects.

        Args:
            path: The host's socket.
            largest_frame: Bound on what the host sends, in bytes.
            silence_s: A host that says nothing for so long should have been replaced; four times
                as long before it serves.
            caller: Told what the host says.
        """
        self._path = path
        self._largest_frame = largest_frame
        self._caller = caller
        self._connection: HostConnection | None = None
        """The last one; it may not be open yet, or not any more."""
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._heartbeat_s = silence_s / _HEARTBEATS
        self.useless = 0
        """Connections in a row that ended for what came on them, or before anything came."""
        self._greeted = False
        """The host has sent its status on the open connection."""
        self._quiet = 0
        """Heartbeats missed since anything came on the connection that stands."""
        self.silent = False
        """The host has said nothing for too long."""
        self.status = HostStatus.away("", "the model host is being started", starting=True)
        """The status of the host."""
        self._reported = self.status
        """What the host said last, though it may have fallen silent since."""

    def start(self) -> None:
        """Connect, and connect again whenever the host went away; called on the event loop."""
        loop = asyncio.get_running_loop()
        steps = self._be_connected, self._await_heartbeat
        self._tasks = tuple(loop.create_task(repeat(step, _NAME)) for step in steps)

    def close(self, reason: str) -> None:
        """Close the connection for good."""
        for task in self._tasks:
            task.cancel()
        if self._connection is not None:
            self._connection.close()
        self._settle(HostStatus.away(self.status.model, reason, starting=False))

    @property
    def open_connection(self) -> HostConnection | None:
        """The connection, if it is open."""
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    def _settle(self, status: HostStatus) -> None:
        self.status = status
        self._caller.settle(status)

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
            self._report_trouble()
            pause_s = _RECONNECT_S
        else:
            pause_s = self._pause_after(await self._connection.ended)
            self._lose()
        await asyncio.sleep(pause_s)

    def _report_trouble(self) -> None:
        """Publish the reason why there is no host, if it is known; nobody waits for one then."""
        trouble = read_host_trouble(self._path.parent)
        if trouble is None:
            return
        reason = f"the model host cannot start: {trouble}; retrying"
        if self.status.reason != reason:
            self._reported = HostStatus.away(self.status.model, reason, starting=False)
            self._settle(self._reported)

    async def _await_heartbeat(self) -> None:
        """Check for silence at every heartbeat.

        Heartbeats are counted, and no clock is read: time in which this process itself stood still
        must not be held against the host.
        """
        await asyncio.sleep(self._heartbeat_s)
        self._count_missed()

    def _count_missed(self) -> None:
        """Mark a host as lost that its silence should have replaced, until it sends again."""
        if self.open_connection is None:
            self._quiet = 0
            return
        self._quiet += 1
        if self._quiet < (_HEARTBEATS if self._reported.ready else _STARTING_HEARTBEATS):
            return
        if not self.silent:
            log.warning("the model host is silent; %d requests wait for it", self._caller.waiting)
        self.silent = True
        silent_s = self._quiet * self._heartbeat_s
        limit_s = _HEARTBEATS * self._heartbeat_s
        reason = (
            f"the model host has been silent for {silent_s:.1f} s; "
            f"it should have been replaced after {limit_s:g} s"
        )
        self._settle(silent(self._reported, reason))

    def _receive(self, frame: Frame) -> None:
        self._quiet = 0
        if self.silent:
            log.info("the model host responds again")
            self.silent = False
            self._settle(self._reported)
        if frame.kind == Kind.STATUS:
            self._reported = HostStatus.model_validate_json(frame.body)
            self._greeted = True
            self._settle(self._reported)
        else:
            self._caller.receive(frame)

    def _lose(self) -> None:
        """Note that the host is away; what it had once is kept for the next one."""
        log.warning(
            "connection to the model host lost; %d requests wait for it", self._caller.waiting
        )
        self.silent = False
        reason = "the model host is restarting"
        self._reported = HostStatus.away(self.status.model, reason, starting=True)
        self._caller.lose()
        self._settle(self._reported)

    def _pause_after(self, why: Exception) -> float:
        """Return the seconds to the next attempt: more each time for a host of another protocol."""
        if self._greeted and isinstance(why, OSError):
            self.useless = 0
            return _RECONNECT_S
        pause_s: float = min(_RECONNECT_S * 2**self.useless, _LONGEST_RECONNECT_S)
        self.useless = min(self.useless + 1, _MOST_USELESS)
        if not isinstance(why, OSError):
            log.error(
                "invalid data from the model host: %s: %s; retrying in %.2f s",
                type(why).__name__,
                str(why).partition("\n")[0],
                pause_s,
            )
        return pause_s
