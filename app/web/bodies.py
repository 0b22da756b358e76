"""Reads request bodies: the kind is checked first, size and time are bounded."""

from __future__ import annotations

import io
import re
from typing import Any

import gevent
from gunicorn.http.errors import ParseException

from app.web.errors import BadInputError, SlowBodyError, TooLargeError, UnsupportedMediaTypeError

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
LONGEST_TIMEOUT_MS = 600_000
_FEW_DIGITS = re.compile("[0-9]{1,9}")  # int() raises on thousands of them

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

    Raises:
        UnsupportedMediaTypeError: If it says that it is compressed.
        TooLargeError: If it is over the bound.
        SlowBodyError: If it is not there in time.
        BadInputError: If it ends too soon.
    """
    if encoding := environ.get("HTTP_CONTENT_ENCODING"):
        raise UnsupportedMediaTypeError(
            f"Content-Encoding is {encoding[:40]}; compressed bodies are not read"
        )
    if int(environ.get("CONTENT_LENGTH") or 0) > max_bytes:
        raise _too_large(max_bytes, advice)
    stream = environ["wsgi.input"]
    whole = type(stream) is io.BytesIO  # it came together with the head
    body: bytes = stream.getvalue() if whole else _receive(stream, timeout_s, max_bytes + 1)
    if len(body) > max_bytes:
        raise _too_large(max_bytes, advice)
    return body


def _receive(stream: Any, timeout_s: float, max_bytes: int) -> bytes:
    try:
        with gevent.Timeout(timeout_s):
            # Not by werkzeug, which cuts a chunked body at the bound and says nothing.
            body: bytes = stream.read(max_bytes)
    except gevent.Timeout:
        raise SlowBodyError(f"the body did not arrive within {timeout_s:g} s") from None
    except (OSError, ParseException):
        raise BadInputError("the body broke off, or its chunks are malformed") from None
    return body


def _too_large(max_bytes: int, advice: str) -> TooLargeError:
    sentence = f"the body is larger than {max_bytes} bytes; {advice}"
    return TooLargeError(sentence, limit=max_bytes)
