"""Reads request bodies: the kind is checked first, the size is bounded.

Compressed ones are inflated here, for whichever view reads a body. In service the event loop has
received a body, within its deadline, before a view is called: see `app.server.front.asgi_front`.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from app.web.http.content_encoding import CODINGS, inflate
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, ServiceError, TooLargeError, UnsupportedCodingError
from app.web.http.held_bodies import held_bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
LONGEST_TIMEOUT_MS = 60_000
"""A caller who may wait longer holds a place for so long."""
_FEW_DIGITS = re.compile("[0-9]{1,9}")  # int() raises on thousands of them

_PIECE = 256 * 2**10
"""Bytes that are read before they are counted."""

Environ = dict[str, Any]


def request_timeout_s(environ: Environ, default_ms: int) -> float:
    """Return the timeout that the client requests, in seconds.

    Raises:
        BadInputError: If the header is not a whole number of milliseconds within bounds.
    """
    text = environ.get("HTTP_X_REQUEST_TIMEOUT_MS")
    if text is None:
        return default_ms / 1000
    if not _FEW_DIGITS.fullmatch(text) or not 1 <= int(text) <= LONGEST_TIMEOUT_MS:
        raise BadInputError(
            f"header {TIMEOUT_HEADER} is {text[:40]!r}; "
            f"whole milliseconds from 1 to {LONGEST_TIMEOUT_MS} are expected",
            code=ErrorCode.REQUEST_PARAMETER,
        )
    return int(text) / 1000


def media_type(environ: Environ) -> str:
    """Return the Content-Type without its parameters, in lower case; "" if there is none."""
    header: str = environ.get("CONTENT_TYPE", "")
    return header.partition(";")[0].strip().lower()


class FailedBody(io.RawIOBase):
    """Stands for a body that did not arrive: a view that reads it learns why."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__()
        self._error = error

    def read(self, _size: int = -1) -> bytes:
        """Raise what became of the body."""
        raise self._error


def read_body(
    environ: Environ,
    max_bytes: int,
    advice: str = "send fewer images per request",
) -> bytes:
    """Read the body of a request.

    Args:
        environ: The request's.
        max_bytes: Bound on it.
        advice: What to do about one that is over the bound.

    Returns:
        The body as its Content-Type names it: what compressed it has been taken off.

    Raises:
        UnsupportedMediaTypeError: If it is compressed in a way that is not known.
        TooLargeError: If it is over the bound, as it comes or inflated.
        BadInputError: If it ends too soon, or is not compressed as it says.
        ServiceError: If it could not be received; the class says why.
    """
    coding = environ.get("HTTP_CONTENT_ENCODING")
    if coding is not None:
        coding = _known(coding)
    if int(environ.get("CONTENT_LENGTH") or 0) > max_bytes:
        raise _too_large(max_bytes, advice)
    stream = environ["wsgi.input"]
    whole = type(stream) is io.BytesIO  # the event loop received and counted it
    body: bytes = stream.getvalue() if whole else b"".join(_pieces(environ, max_bytes + 1))
    if len(body) > max_bytes:
        raise _too_large(max_bytes, advice)
    return _inflate(environ, body, coding, max_bytes, advice) if coding else body


def _pieces(environ: Environ, max_bytes: int) -> Iterator[bytes]:
    # Not by werkzeug, which cuts a chunked body at the bound and says nothing.
    read = environ["wsgi.input"].read
    while piece := _read(read, min(_PIECE, max_bytes)):
        held_bodies.take(environ, len(piece))
        yield piece
        max_bytes -= len(piece)


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except OSError:
        raise BadInputError(
            "the body was cut off, or its chunks are malformed", code=ErrorCode.BODY_INCOMPLETE
        ) from None


def _too_large(max_bytes: int, advice: str, once: str = "") -> TooLargeError:
    message = f"the body is larger than {max_bytes} bytes{once}; {advice}"
    return TooLargeError(message, limit=max_bytes)


def _known(header: str) -> str:
    """Return the coding that a Content-Encoding names; "" if it names none."""
    coding = header.strip().lower()
    if coding in {"", "identity"}:
        return ""
    if coding not in CODINGS:
        raise UnsupportedCodingError(f"Content-Encoding is {header[:40]}")
    return coding


def _inflate(environ: Environ, body: bytes, coding: str, max_bytes: int, advice: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in inflate(body, coding):
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes, advice, " once inflated")
        held_bodies.take(environ, len(piece))
        pieces.append(piece)
    return b"".join(pieces)
