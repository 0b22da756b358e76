"""Standard output and error that never block.

The reader of the log may have stopped: the pipe is full then, and a write to it would wait
for ever, in every process and at the end of the service too. Lines are left out instead, and their
number is written once there is room again.
"""

from __future__ import annotations

import errno
import io
import os
import socket
import stat
import sys
import time
from contextlib import suppress
from select import PIPE_BUF, POLLOUT, poll
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 0.1
"""In each second a process waits so long at most for a reader who is slow."""
_AT_ONCE = PIPE_BUF
"""So much goes into a pipe that can be written to, without a wait and in one piece."""


class Outlet(io.TextIOBase):
    """A text stream to a descriptor that takes what there is room for."""

    def __init__(
        self,
        descriptor: int,
        *,
        notice: Callable[[int], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to a descriptor, which stays as it is for others who have it.

        Args:
            descriptor: Open for writing.
            notice: Gives the line that tells how many were left out.
            clock: Monotonic seconds.
        """
        super().__init__()
        self._descriptor = descriptor
        self._notice = notice
        self._clock = clock
        self._send = _sender(descriptor)
        self._patience_s = _PATIENCE_S
        self._checked_at = clock()
        self._rest = b""
        """Of a line that was begun."""
        self.left_out = 0
        os.register_at_fork(after_in_child=self._forget)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return how text becomes bytes."""
        return "utf-8"

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a person reads it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Write a text, or count it as left out."""
        if not (self._report_dropped() and self._put(text)):
            self.left_out += 1
        return len(text)

    def _report_dropped(self) -> bool:
        """Write the count of dropped lines; return whether none are left to report."""
        if self.left_out and self._put(self._notice(self.left_out)):
            self.left_out = 0
        return not self.left_out

    def _put(self, text: str) -> bool:
        """Begin a line, when the last one is whole; returns whether there was room to."""
        if self._rest:
            self._rest = self._rest[self._take(self._rest) :]
        if self._rest:
            return False
        data = text.encode(errors="backslashreplace")
        taken = self._take(data)
        self._rest = data[taken:] if taken else b""
        return taken > 0 or not data

    def _forget(self) -> None:
        """Leave to the process that this one was forked from what it has begun."""
        self._rest, self.left_out = b"", 0

    def _take(self, data: bytes) -> int:
        """Write bytes, with as much patience as is left; returns how many were taken."""
        taken = self._try(data)
        while taken < len(data) and self._wait():
            more = self._try(data[taken:])
            if not more:
                break
            taken += more
        return taken

    def _try(self, data: bytes) -> int:
        with suppress(OSError):  # no room, a full disk, or nobody who could ever read it
            return self._send(data)
        return 0

    def _wait(self) -> bool:
        """Wait for room; returns whether there may be some."""
        now = self._clock()
        self._patience_s = min(
            _PATIENCE_S, self._patience_s + _PATIENCE_S * max(0.0, now - self._checked_at)
        )
        self._checked_at = now
        if self._patience_s < _PATIENCE_S / 10:
            return False
        ready = _has_room(self._descriptor, self._patience_s)
        self._patience_s = max(0.0, self._patience_s - (self._clock() - now))
        return ready


def never_wait(notice: Callable[[int], str]) -> None:
    """Make standard output and error non-blocking."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):  # it is closed, or no file
            stream.flush()
            setattr(sys, name, Outlet(stream.fileno(), notice=notice))


def _sender(descriptor: int) -> Callable[[bytes], int]:
    """Return what writes to a descriptor and does not wait; others who share it notice nothing."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        connection = socket.socket(fileno=os.dup(descriptor))
        return lambda data: connection.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with suppress(OSError):  # it may be another user's
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            return lambda data: os.write(own, data)
        return lambda data: _write_if_room(descriptor, data)
    return lambda data: os.write(descriptor, data)


def _write_if_room(descriptor: int, data: bytes) -> int:
    if not _has_room(descriptor, 0):
        raise BlockingIOError(errno.EAGAIN, "no room")
    return os.write(descriptor, data[:_AT_ONCE])


def _has_room(descriptor: int, wait_s: float) -> bool:
    room = poll()
    room.register(descriptor, POLLOUT)
    return any(found & POLLOUT for _, found in room.poll(wait_s * 1000))
