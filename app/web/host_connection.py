"""A Unix socket that frames come and go on.

What is posted while the loop is in one turn goes out in one write: uvloop gathers it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from app.frames import FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.frames import Frame


class HostConnection(asyncio.Protocol):
    """One connection to the model host; its creator closes it, or learns that it ended."""

    def __init__(self, largest_frame: int, receive: Callable[[Frame], None]) -> None:
        self._receive = receive
        self._reader = FrameReader(largest_frame)
        self._transport: asyncio.Transport | None = None
        self._failure: Exception | None = None
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Resolved with the reason once the connection is gone."""

    @classmethod
    async def open(
        cls, path: Path, largest_frame: int, receive: Callable[[Frame], None]
    ) -> HostConnection:
        """Connect.

        Args:
            path: The other end's socket.
            largest_frame: Bound on a frame that is received, in bytes.
            receive: Called for every frame; if it raises, the connection ends.

        Raises:
            OSError: If nothing listens.
        """
        connection = cls(largest_frame, receive)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: connection, str(path))
        return connection

    @property
    def unsent(self) -> int:
        """Return how many bytes were posted and are not written yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def post(self, frame: bytes) -> None:
        """Send a frame with the next write; nothing is sent once the connection has ended."""
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        """End the connection, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send and receive."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods

    def data_received(self, data: bytes) -> None:
        """Hand the frames on that are complete."""
        try:
            for frame in self._reader.feed(data):
                self._receive(frame)
        except Exception as exc:  # noqa: BLE001 - the creator of the connection judges it
            self._failure = exc
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the creator why."""
        self._transport = None
        if not self.ended.done():
            lost = ConnectionResetError("closed by the other end")
            self.ended.set_result(self._failure or exc or lost)
