"""Reads request bodies: the kind is checked first, size and time are bounded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import gevent
from gunicorn.http.errors import ParseException

from app.web.errors import BadInputError, SlowBodyError, TooLargeError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from flask import Request

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
LONGEST_TIMEOUT_MS = 600_000
_FEW_DIGITS = re.compile("[0-9]{1,9}")  # int() raises on thousands of them


def request_timeout_s(request: Request, default_ms: int) -> float:
    """Give how long the caller wants to wait, in seconds.

    Raises:
        BadInputError: If the header is not a whole number of milliseconds within bounds.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return default_ms / 1000
    if not _FEW_DIGITS.fullmatch(text) or not 1 <= int(text) <= LONGEST_TIMEOUT_MS:
        raise BadInputError(
            f"header {TIMEOUT_HEADER} is {text[:40]!r}; "
            f"whole milliseconds from 1 to {LONGEST_TIMEOUT_MS} are expected"
        )
    return int(text) / 1000


def read_json_body(request: Request, timeout_s: float, max_bytes: int) -> bytes:
    """Read the body of a JSON request.

    Raises:
        UnsupportedMediaTypeError: If it says that it is something else, or compressed.
        TooLargeError: If it is over the bound.
        SlowBodyError: If it is not there in time.
        BadInputError: If it ends too soon.
    """
    if request.mimetype != "application/json":
        found = f"is {request.mimetype[:80]}" if request.mimetype else "is missing"
        raise UnsupportedMediaTypeError(f"Content-Type {found}; application/json is expected")
    if encoding := request.headers.get("Content-Encoding"):
        raise UnsupportedMediaTypeError(
            f"Content-Encoding is {encoding[:40]}; compressed bodies are not read"
        )
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    try:
        with gevent.Timeout(timeout_s):
            # Not by werkzeug, which cuts a chunked body at the bound and says nothing.
            body: bytes = request.environ["wsgi.input"].read(max_bytes + 1)
    except gevent.Timeout:
        raise SlowBodyError(f"the body did not arrive within {timeout_s:g} s") from None
    except (OSError, ParseException):
        raise BadInputError("the body broke off, or its chunks are malformed") from None
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


def _too_large(max_bytes: int) -> TooLargeError:
    sentence = f"the body is larger than {max_bytes} bytes; send fewer images per request"
    return TooLargeError(sentence, limit=max_bytes)
