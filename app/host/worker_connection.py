"""The connection of one web worker: any thread writes to it, without blocking.

What a slow reader does not take is kept, up to a bound, and written when there is room.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING

from app.ipc.frames import FrameReader, Refusal, Refused, encode_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.ipc.frames import Answer

log = logging.getLogger(__name__)

_UNSENT_LIMIT = 64 * 2**20
"""Bytes kept for a slow reader; beyond it refusals are sent instead of answers."""
_GIVEN_UP = 4 * _UNSENT_LIMIT
"""Beyond it the connection is closed."""
BEHIND = Refused(Refusal.OVERLOADED, 1.0, "earlier answers still wait to be read by this worker")


class WorkerConnection:
    """One web worker; takes the outcomes of its requests."""

    def __init__(
        self, sock: socket.socket, largest_frame: int, on_kept: Callable[[], None]
    ) -> None:
        """Create for a connected socket.

        Args:
            sock: The socket.
            largest_frame: Bytes of a frame that is accepted.
            on_kept: Called when bytes were kept, which `flush` is to write.
        """
        sock.setblocking(False)  # noqa: FBT003
        self.sock = sock
        self.reader = FrameReader(largest_frame)
        self.unsent = bytearray()
        self._on_kept = on_kept
        self._lock = threading.Lock()

    @property
    def behind(self) -> bool:
        """Whether more bytes are unsent than may be kept for a reader."""
        return len(self.unsent) > _UNSENT_LIMIT

    def receive(self, outcomes: Sequence[tuple[int, Answer | Refused]]) -> None:
        """Send answers and refusals in one write; any thread may."""
        behind = self.behind
        self.send(b"".join([encode_outcome(n, BEHIND if behind else o) for n, o in outcomes]))

    def send(self, data: bytes) -> None:
        """Write what the socket takes now and keep the rest; any thread may.

        The connection of a reader that is too far behind is shut down.
        """
        try:
            kept = self._write(data)
        except OSError:
            return  # the reading side sees the same and drops the connection
        if kept:
            self._on_kept()

    def _write(self, data: bytes) -> bool:
        with self._lock:
            if not self.unsent:
                with contextlib.suppress(BlockingIOError):
                    data = data[self.sock.send(data) :]
            self.unsent += data
            if len(self.unsent) > _GIVEN_UP:
                log.warning("closing connection: web worker is %d bytes behind", len(self.unsent))
                self.unsent.clear()
                self.sock.shutdown(socket.SHUT_RDWR)
            return bool(self.unsent)

    def flush(self) -> bool:
        """Write kept bytes; return True if some are left."""
        with self._lock, contextlib.suppress(BlockingIOError):
            del self.unsent[: self.sock.send(self.unsent)]
        return bool(self.unsent)

    def close(self) -> None:
        """Close the socket while no thread is sending: its file descriptor may be reused."""
        with self._lock:
            self.sock.close()
