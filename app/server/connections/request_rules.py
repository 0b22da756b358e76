"""Rules of HTTP/1.1 for a request that gunicorn's parser leaves open, and what a breach is called.

Policy only: nothing is sent, and no connection is known.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from gunicorn.asgi.parser import (
    InvalidHeaderName,
    InvalidHTTPVersion,
    InvalidRequestMethod,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseError,
    UnsupportedTransferCoding,
)

_FREE_CHUNKS = 1024
_LEAST_CHUNK_BYTES = 64
"""On average, beyond those that are free: a chunk costs some 3 µs, however small it is."""


class ExpectationFailed(ParseError):  # type: ignore[misc]  # noqa: N818 - as gunicorn names them
    """Raised for an expectation that is not 100-continue."""


_STATUSES: dict[type[Exception], HTTPStatus] = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
_NAMES: dict[type[Exception], str] = {
    InvalidRequestMethod: "method",
    InvalidHTTPVersion: "HTTP version",
    InvalidHeaderName: "header name",
    UnsupportedTransferCoding: "transfer coding",
}
"""Of what gunicorn's parser quotes in place of a sentence."""


def check_head(parser: Any) -> None:
    """Check the head that a parser has read.

    Raises:
        ParseError: If it breaks a rule; the class decides the status.
    """
    if parser.http_version >= (1, 1):  # RFC 9112, section 3.2, and RFC 9110, section 10.1.1
        headers = dict(parser.headers)
        if b"host" not in headers:
            raise ParseError("Missing Host header")
        expected = headers.get(b"expect", b"100-continue")
        if expected.lower() != b"100-continue":
            raise ExpectationFailed(f"Expect is {expected.decode('latin-1')!r}")
    if parser.is_chunked:  # RFC 9112, section 6.1; what else was done to the body is not undone
        codings = b",".join(v for n, v in parser.headers if n == b"transfer-encoding")
        if codings.lower() != b"chunked":
            raise UnsupportedTransferCoding(codings.decode("latin-1"))


class ChunkCount:
    """Bounds the number of chunks that a body comes in."""

    def __init__(self) -> None:
        self._chunks = self._bytes = 0

    def add(self, size: int, *, ends: bool) -> None:
        """Count a piece of a body.

        Args:
            size: Its bytes.
            ends: Whether it is the last piece of a chunk.

        Raises:
            ParseError: If the chunks are too many, and too small on average.
        """
        self._chunks += ends
        self._bytes += size
        if self._chunks > _FREE_CHUNKS + self._bytes // _LEAST_CHUNK_BYTES:
            average = self._bytes / self._chunks
            raise ParseError(
                f"{self._chunks} chunks have {average:.0f} bytes on average; at least "
                f"{_LEAST_CHUNK_BYTES} are expected where there are over {_FREE_CHUNKS}"
            )


def status_of(exc: Exception) -> HTTPStatus:
    """Return the status that answers a malformed request."""
    return _STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)


def message_of(exc: Exception) -> str:
    """Return a sentence about a malformed request."""
    name = _NAMES.get(type(exc))
    if name is not None:
        return f"{name} {str(exc)!r} is not allowed"
    if isinstance(exc, ValueError):  # Python's int() raises it
        return "Content-Length has thousands of digits"
    return str(exc)
