"""Reads request bodies: the kind is checked first, size and time are bounded.

Compressed ones are inflated here, for whoever reads a body. All that a worker holds is bounded
together as well: many callers who send slowly, or a few KiB that inflate, would be gigabytes here.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.http.errors import ParseException

from app.connection import BROKEN_BODY
from app.web.encodings.compression import CODINGS, inflate
from app.web.errors import (
    BadInputError,
    OverloadedError,
    SlowBodyError,
    TooLargeError,
    UnsupportedCodingError,
)
from app.web.event_loop import give_way
from app.web.observing import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
LONGEST_TIMEOUT_MS = 600_000
_FEW_DIGITS = re.compile("[0-9]{1,9}")  # int() raises on thousands of them

_PIECE = 256 * 2**10
"""Bytes that are read before they are counted; gunicorn copies small pieces several times."""
_HELD_LIMIT = 128 * 2**20
"""Bytes of bodies that a worker holds at once. One may always be held, however large; those that
came together with their head are not counted."""

Environ = dict[str, Any]


def request_timeout_s(environ: Environ, default_ms: int) -> float:
    """Give how long the caller wants to wait, in seconds.

    Raises:
        BadInputError: If the header is not a whole number of milliseconds within bounds.
    """
    text = environ.get("HTTP_X_REQUEST_TIMEOUT_MS")
    if text is None:
        return default_ms / 1000
    if not _FEW_DIGITS.fullmatch(text) or not 1 <= int(text) <= LONGEST_TIMEOUT_MS:
        raise BadInputError(
            f"header {TIMEOUT_HEADER} is {text[:40]!r}; "
            f"whole milliseconds from 1 to {LONGEST_TIMEOUT_MS} are expected"
        )
    return int(text) / 1000


def media_type(environ: Environ) -> str:
    """Give the Content-Type without its parameters, in lower case; "" where there is none."""
    header: str = environ.get("CONTENT_TYPE", "")
    return header.partition(";")[0].strip().lower()


def read_body(
    environ: Environ,
    timeout_s: float,
    max_bytes: int,
    advice: str = "send fewer images per request",
) -> bytes:
    """Read the body of a request.

    Args:
        environ: The request's.
        timeout_s: How long its body may take.
        max_bytes: Bound on it.
        advice: What to do about one that is over the bound.

    Returns:
        The body as its Content-Type names it: what compressed it has been taken off.

    Raises:
        UnsupportedMediaTypeError: If it is compressed in a way that is not known.
        TooLargeError: If it is over the bound, as it comes or inflated.
        SlowBodyError: If it is not there in time.
        OverloadedError: If the bodies of other requests take too much already.
        BadInputError: If it ends too soon, or is not compressed as it says.
    """
    coding = environ.get("HTTP_CONTENT_ENCODING")
    if coding is not None:
        coding = _known(coding)
    if int(environ.get("CONTENT_LENGTH") or 0) > max_bytes:
        raise _too_large(max_bytes, advice)
    stream = environ["wsgi.input"]
    whole = type(stream) is io.BytesIO  # it came together with the head
    body: bytes = stream.getvalue() if whole else _receive(environ, timeout_s, max_bytes + 1)
    if len(body) > max_bytes:
        raise _too_large(max_bytes, advice)
    return _inflate(environ, body, coding, max_bytes, advice) if coding else body


def _receive(environ: Environ, timeout_s: float, max_bytes: int) -> bytes:
    try:
        with gevent.Timeout(timeout_s):
            # Not by werkzeug, which cuts a chunked body at the bound and says nothing.
            return b"".join(_pieces(environ, max_bytes))
    except gevent.Timeout:
        environ[BROKEN_BODY] = True
        raise SlowBodyError(f"the body did not arrive within {timeout_s:g} s") from None
    except (OSError, ParseException):
        environ[BROKEN_BODY] = True
        raise BadInputError("the body broke off, or its chunks are malformed") from None


def _pieces(environ: Environ, max_bytes: int) -> Iterator[bytes]:
    read = environ["wsgi.input"].read
    while piece := read(min(_PIECE, max_bytes)):
        _held.take(environ, len(piece))
        yield piece
        max_bytes -= len(piece)


def _too_large(max_bytes: int, advice: str, once: str = "") -> TooLargeError:
    sentence = f"the body is larger than {max_bytes} bytes{once}; {advice}"
    return TooLargeError(sentence, limit=max_bytes)


def _known(header: str) -> str:
    """Give the coding that a Content-Encoding names; "" where it names none."""
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
        _held.take(environ, len(piece))
        pieces.append(piece)
        if len(pieces) > 1:
            give_way()
    return b"".join(pieces)


class _Held:
    """Counts the bytes of bodies that are being received or worked on."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, environ: Environ, size: int) -> None:
        """Count what a request holds until it is answered."""
        own = environ.get(_OWN, 0)
        if self.bytes > own and self.bytes + size > _HELD_LIMIT:
            sentence = f"bodies of {self.bytes} bytes are being worked on; send it again"
            raise OverloadedError(sentence, retry_after_s=1)
        self.bytes += size
        environ[_OWN] = own + size
        environ[ENDED] = self.release

    def release(self, environ: Environ) -> None:
        """Forget what a request held."""
        self.bytes -= environ.pop(_OWN, 0)


_OWN = "glyph.held_bytes"
_held = _Held()
