"""A Unix socket that carries frames.

Frames that are posted in one turn of the loop go out in one write.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from app.ipc.frames import FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.ipc.frames import Frame

_READ_BYTES = 64 * 1024


class HostConnection(asyncio.Protocol):
    """One connection to the model host; its creator closes it, or learns that it ended."""

    def __init__(self, largest_frame: int, receive: Callable[[Frame], None]) -> None:
        """Prepare; `open` connects.

        Args:
            largest_frame: Bound on a frame that is received, in bytes.
            receive: Called for every frame; if it raises, the connection ends.
        """
        self._receive = receive
        self._reader = FrameReader(largest_frame)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._posted: list[bytes] = []
        """Frames of this turn of the loop."""
        self._posted_bytes = 0
        self._failure: Exception | None = None
        self.ended: asyncio.Future[Exception] = self._loop.create_future()
        """Resolved with the reason once the connection is gone."""

    async def open(self, path: Path) -> None:
        """Connect; frames may be received before this returns.

        Args:
            path: The other end's socket.

        Raises:
            OSError: If nothing listens.
        """
        await self._loop.create_unix_connection(lambda: self, str(path))

    @property
    def is_open(self) -> bool:
        """Return whether frames can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def unsent(self) -> int:
        """Return the number of bytes posted and not written yet."""
        if self._transport is None:
            return 0
        return self._posted_bytes + self._transport.get_write_buffer_size()

    def post(self, frame: bytes) -> None:
        """Send a frame with the next write; nothing is sent once the connection has ended."""
        if not self._posted:
            self._loop.call_soon(self._write)
        self._posted.append(frame)
        self._posted_bytes += len(frame)

    def close(self) -> None:
        """End the connection, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send and receive."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods

    def data_received(self, data: bytes) -> None:
        """Pass on complete frames."""
        try:
            for frame in self._reader.feed(data):
                self._receive(frame)
        except Exception as exc:  # noqa: BLE001 - the creator of the connection judges it
            self._failure = exc
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the creator of the reason."""
        if isinstance(exc, OSError):
            self._read_rest()
        self._transport = None
        if not self.ended.done():
            lost = ConnectionResetError("closed by the other end")
            self.ended.set_result(self._failure or exc or lost)

    def _write(self) -> None:
        frames, self._posted, self._posted_bytes = self._posted, [], 0
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(frames)

    def _read_rest(self) -> None:
        """Read the bytes sent before the other end closed: a failed write ends reading early."""
        if self._transport is None:
            return
        descriptor = self._transport.get_extra_info("socket").fileno()
        with suppress(OSError):
            while self._failure is None and (data := os.read(descriptor, _READ_BYTES)):
                self.data_received(data)
