"""HTTP/1.1 as a load generator needs it: little, exact and cheap.

One request at a time over a connection that is kept open. Answers must have a Content-Length; what
else comes is an error and not guessed at.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

JSON = "application/json"
RAW = "application/octet-stream"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class LostError(Exception):
    """Raised when a connection ended before the answer; the text says how."""


class Reply(NamedTuple):
    """One answer; the head has its last line's end, and not the empty line."""

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server wants no more requests on this connection."""
        return _CLOSE.search(self.head) is not None

    def header(self, name: str) -> str | None:
        """Return a header's value; None where it is missing."""
        found = re.search(rb"\r\n%b: *([^\r]*)\r\n" % name.encode(), self.head, re.IGNORECASE)
        return found[1].decode("latin-1") if found else None


def request(
    path: str, body: bytes = b"", content_type: str | None = None, **headers: object
) -> bytes:
    """Write a request: POST with a body, else GET; `x_request_id` is the header X-Request-Id."""
    fields = {"Host": "glyph"} | {n.replace("_", "-"): str(v) for n, v in headers.items()}
    if content_type is not None:
        fields |= {"Content-Type": content_type, "Content-Length": str(len(body))}
    lines = [f"{'GET' if content_type is None else 'POST'} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """A connection that asks and waits for the answer."""

    def __init__(self) -> None:
        self.open = False
        self.port = 0
        """The client's own, by which the server's side can be found."""
        self._buffer = bytearray()
        self._head_end = -1
        self._whole = 0
        self._waiter: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport

    async def ask(self, data: bytes) -> Reply:
        """Send a request and give its answer.

        Raises:
            LostError: If the connection ends first, or what comes is no answer.
        """
        if not self.open:
            raise LostError("closed before the request was sent")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            reply = await self._waiter
        except asyncio.CancelledError:
            self.close()  # the answer would be taken for the next request's
            raise
        finally:
            self._waiter = None
        if reply.closes:
            self.close()
        return reply

    def send(self, data: bytes) -> None:
        """Send bytes that are perhaps no whole request, and wait for nothing."""
        self._transport.write(data)

    def close(self) -> None:
        """End the connection."""
        self.open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("sockname")
        self.port = name[1] if isinstance(name, tuple) else 0
        self.open = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            reply = self._cut()
        except ValueError as exc:
            self._fail(str(exc))
        else:
            if reply is not None and self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("reset" if exc else "closed" + (" within an answer" if self._buffer else ""))

    def _fail(self, sentence: str) -> None:
        self.open = False
        self._transport.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(LostError(sentence))

    def _cut(self) -> Reply | None:
        """Take the answer out of the buffer once it is whole."""
        if self._waiter is None:
            raise ValueError("bytes that nobody asked for")
        if self._head_end < 0:
            self._head_end = self._buffer.find(b"\r\n\r\n")
            if self._head_end < 0:
                return None
            length = _LENGTH.search(self._buffer, 0, self._head_end + 2)
            if length is None:
                raise ValueError("an answer without Content-Length")
            self._whole = self._head_end + 4 + int(length[1])
        if len(self._buffer) < self._whole:
            return None
        if len(self._buffer) > self._whole:
            raise ValueError("more bytes than the answer has")
        return self._take()

    def _take(self) -> Reply:
        head = bytes(self._buffer[: self._head_end + 2])
        body = bytes(self._buffer[self._head_end + 4 :])
        self._buffer.clear()
        self._head_end = -1
        status = _STATUS.match(head)
        if status is None:
            raise ValueError("an answer that is not HTTP/1.1")
        return Reply(int(status[1]), head, body)


async def connect(port: int, host: str = "127.0.0.1") -> Connection:
    """Open a connection.

    Raises:
        OSError: If nobody listens.
    """
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection
