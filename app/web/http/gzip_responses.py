"""Compresses large responses for clients that accept gzip."""

from __future__ import annotations

import zlib

from werkzeug.http import parse_accept_header

LARGE = 16 * 1024
"""Smaller answers are quicker sent than packed."""
_JSON = ("Content-Type", "application/json")
_FASTEST = 1
_GZIP = 16 + zlib.MAX_WBITS
_LONGEST_ACCEPT = 256

Headers = list[tuple[str, str]]


def pack(body: bytes, headers: Headers, accepted: str) -> tuple[bytes, Headers]:
    """Compress a response that is larger than `LARGE`, if it is JSON.

    Args:
        body: What would be sent.
        headers: Those of the answer, without its length.
        accepted: The request's Accept-Encoding.

    Returns:
        The body and headers to send. `Vary` marks that they depend on the request.
    """
    if _JSON not in headers:
        return body, headers
    headers = [*headers, ("Vary", "Accept-Encoding")]
    if not _accepts_gzip(accepted):
        return body, headers
    return _gzip(body), [*headers, ("Content-Encoding", "gzip")]


def _accepts_gzip(accepted: str) -> bool:
    if "gzip" not in accepted or len(accepted) > _LONGEST_ACCEPT:
        return False
    return parse_accept_header(accepted).quality("gzip") > 0


def _gzip(body: bytes) -> bytes:
    packing = zlib.compressobj(_FASTEST, wbits=_GZIP)
    return packing.compress(body) + packing.flush()
