"""A Unix socket that frames come and go on, driven by gevent's loop without a greenlet of its own.

Everything here runs in callbacks of the loop, which must not block. What is posted while the loop
is in one turn goes out in one write.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import gevent

from app.frames import FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.frames import Frame

_READ_BYTES = 64 * 1024  # more would be mapped and unmapped for every read
_READABLE, _WRITABLE = 1, 2  # as gevent's loop names them


class HostConnection:
    """One connection; whoever made it closes it, or is told that it ended."""

    def __init__(
        self,
        path: Path,
        largest_frame: int,
        receive: Callable[[Frame], None],
        ended: Callable[[Exception], None],
    ) -> None:
        """Connect, or fail, at once.

        Args:
            path: The other end's socket.
            largest_frame: Bound on a frame that is received, in bytes.
            receive: Called for every frame; if it raises, the connection ends.
            ended: Called once, unless the connection was closed first.

        Raises:
            OSError: If nobody listens.
        """
        self._receive = receive
        self._ended = ended
        self._reader = FrameReader(largest_frame)
        self._outgoing: list[bytes] = []
        self._rest = memoryview(b"")
        self._full = False
        """The socket took less than it was given, and tells when there is room."""
        self.unsent = 0
        """Bytes that were posted and are not written yet."""
        self._sock = socket.socket(socket.AF_UNIX)
        try:
            self._sock.setblocking(False)  # noqa: FBT003
            self._sock.connect(str(path))
        except OSError:
            self._sock.close()
            raise
        self._fd = self._sock.fileno()
        self._loop = gevent.get_hub().loop
        self._readable = self._loop.io(self._fd, _READABLE)
        self._writable = self._loop.io(self._fd, _WRITABLE)
        self._readable.start(self._read)

    def post(self, frame: bytes) -> None:
        """Send a frame with the next write."""
        if not self.unsent:
            self._loop.run_callback(self._write)
        self.unsent += len(frame)
        self._outgoing.append(frame)

    def close(self) -> None:
        """End the connection, without a call of `ended`."""
        if self._fd < 0:
            return
        self._fd = -1
        for watcher in (self._readable, self._writable):
            watcher.stop()
            watcher.close()
        self._sock.close()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)  # sock.recv is gevent's, and does more
            if not data:
                raise ConnectionResetError("closed by the other end")  # noqa: TRY301
            for frame in self._reader.feed(data):
                self._receive(frame)
        except BlockingIOError:
            return
        except Exception as exc:  # noqa: BLE001 - whoever made this judges it
            self.close()
            self._ended(exc)

    def _write(self) -> None:
        if self._fd < 0:
            return  # closed since this was asked for
        if not self._rest:
            self._rest = memoryview(b"".join(self._outgoing))
            self._outgoing.clear()
        sent = 0
        with contextlib.suppress(OSError):  # full; or broken, which the reading side sees
            sent = os.write(self._fd, self._rest)
        self._rest = self._rest[sent:]
        self.unsent -= sent
        if self._full != bool(self.unsent):
            self._full = not self._full
            if self._full:
                self._writable.start(self._write)
            else:
                self._writable.stop()
