"""gunicorn's response, sent together with its head, and with little work for the usual headers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gunicorn import util
from gunicorn.http import wsgi

if TYPE_CHECKING:
    from gevent import socket

_USUAL = frozenset(
    (
        "Content-Type",
        "Glyph-Model",
        "Glyph-Version",
        "Server-Timing",
        "X-Request-Id",
        "X-Content-Type-Options",
    )
)
"""Names that need no check, and mean nothing to gunicorn."""


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends the head together with the first bytes of the body: one packet, not two."""

    sock: socket.socket
    headers: list[tuple[str, str]]
    headers_sent: bool
    response_length: int | None
    closes = True
    """The connection ends after this answer; known once its head is made."""
    _head = b""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Take the application's headers in; values are checked whatever their name is."""
        for header in headers:
            name, value = header
            if name in _USUAL and wsgi.HEADER_VALUE_RE.fullmatch(value):
                self.headers.append(header)
            elif name == "Content-Length" and value.isdecimal() and value.isascii():
                self.response_length = int(value)
                self.headers.append(header)
            else:
                super().process_headers([header])

    def send_headers(self) -> None:
        """Make the head, and keep it until there is a body to go with it."""
        if self.headers_sent:
            return
        lines = [f"{name}: {value}\r\n" for name, value in self.headers]
        self._head = "".join([*self.default_headers(), *lines, "\r\n"]).encode("latin-1")
        self.headers_sent = True

    def default_headers(self) -> list[str]:
        """Give the status line and the headers that are gunicorn's to set."""
        major, minor = self.req.version
        self.closes = self.should_close()
        connection = "close" if self.closes else "keep-alive"
        framing = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
        date = _date(int(time.time()))
        line = f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\n"
        return [line, f"Date: {date}\r\nConnection: {connection}\r\n{framing}"]

    def close(self) -> None:
        """Finish the answer; one without a body is its head alone."""
        if not self.headers_sent:
            self.send_headers()
        self._flush()
        super().close()

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            self._flush()
            super()._emit_body(data)
            return
        head, self._head = self._head, b""
        self._send(head + data)

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._send(head)

    def _send(self, data: bytes) -> None:
        sent = self.sock.send(data)
        if sent < len(data):
            self.sock.sendall(data[sent:])


class _Date:
    """The time of day as HTTP writes it, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self, second: int) -> str:
        if second != self._second:
            self._second, self._text = second, util.http_date(second)
        return self._text


_date = _Date()
