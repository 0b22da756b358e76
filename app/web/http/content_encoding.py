"""Decodes the Content-Encoding of a body, a slice at a time and up to a bound.

A few KiB may inflate to gigabytes, so nothing that the stream says about its size is believed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Coding -> zlib's name for its format; deflate is the zlib format, as HTTP has it."""

_TAKEN_BYTES = 64 * 2**10
"""Input at a time: zlib copies what it leaves of it."""
_SLICE_BYTES = 256 * 2**10
"""Output at a time, some 0.5 ms of work."""
_MOST_MEMBERS = 1024
"""Of a gzip file: each costs some µs, and may be as short as 20 bytes."""


def inflate(body: bytes, coding: str) -> Iterator[bytes]:
    """Inflate a body.

    Args:
        body: One zlib stream, or the members of one gzip file.
        coding: One of `CODINGS`.

    Yields:
        What is in it, in pieces of at most 256 KiB: whoever takes them can stop at a bound.

    Raises:
        BadInputError: If it is malformed, is cut off, or is followed by something else.
    """
    wbits = CODINGS[coding]
    inflater = zlib.decompressobj(wbits)
    members = 1
    for start in range(0, len(body), _TAKEN_BYTES):
        waiting, full = body[start : start + _TAKEN_BYTES], False
        while waiting or full:
            if inflater.eof:
                members += 1
                _check_next(coding, members)
                inflater = zlib.decompressobj(wbits)
            try:
                piece = inflater.decompress(waiting, _SLICE_BYTES)
            except zlib.error as exc:
                raise _malformed(coding, members, exc) from None
            if piece:
                yield piece
            full = len(piece) == _SLICE_BYTES and not inflater.eof  # zlib may hold more back
            waiting = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise BadInputError(
            f"the body is cut off: {len(body)} bytes of {coding} have no end",
            code=ErrorCode.BODY_COMPRESSION,
        )


def _check_next(coding: str, members: int) -> None:
    if coding == "deflate":
        raise BadInputError(
            f"extra bytes follow the end of the body's {coding} stream",
            code=ErrorCode.BODY_COMPRESSION,
        )
    if members > _MOST_MEMBERS:
        message = f"the body is of more than {_MOST_MEMBERS} gzip members"
        raise BadInputError(
            f"{message}; at most so many are inflated", code=ErrorCode.BODY_COMPRESSION
        )


def _malformed(coding: str, members: int, exc: zlib.error) -> BadInputError:
    reason = str(exc).rpartition(": ")[2]
    if reason.startswith("Error 2"):
        reason = "it needs a dictionary"
    if members > 1 and reason == "incorrect header check":
        return BadInputError(
            f"bytes that are not {coding} follow the end of the body's stream",
            code=ErrorCode.BODY_COMPRESSION,
        )
    return BadInputError(
        f"Content-Encoding is {coding}, and the body is not: {reason}",
        code=ErrorCode.BODY_COMPRESSION,
    )
