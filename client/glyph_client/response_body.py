"""Receives a response's body within a bound: the server need not be Glyph, nor mean well."""

from __future__ import annotations

import zlib

import httpx

from glyph_client.errors import FailedError

_MAX_BYTES = 16 * 2**20
_MAX_BYTES_PER_IMAGE = 128 * 1024  # probabilities of some 10,000 classes as text
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ENCODINGS = ("gzip", "x-gzip", "deflate")


def max_response_bytes(images: int) -> int:
    """Return the bound on a response about so many images."""
    return _MAX_BYTES + images * _MAX_BYTES_PER_IMAGE


class ResponseBody:
    """The body of a response, received in pieces."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        """Accept a body of at most `limit` bytes, both as sent and as unpacked."""
        self._response = response
        self._limit = limit
        self._body = bytearray()

    def append(self, piece: bytes) -> None:
        """Append a piece of the body as it was sent.

        Raises:
            FailedError: If the body is larger than it may be.
        """
        self._body += piece
        if len(self._body) > self._limit:
            raise self._too_large()

    def response(self) -> httpx.Response:
        """Return the response with its body, unpacked.

        Raises:
            FailedError: If the body cannot be unpacked, or is larger than it may be.
        """
        headers = self._response.headers.copy()
        encoding = headers.pop("Content-Encoding", "identity").strip().lower()
        body = bytes(self._body)
        if encoding != "identity":
            body = self._unpacked(body, encoding)
        return httpx.Response(
            self._response.status_code,
            headers=headers,
            content=body,
            request=self._response.request,
        )

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        if encoding not in _ENCODINGS:
            raise self._failure(
                f"in the content encoding {encoding[:40]!r}, which was not asked for"
            )
        unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            unpacked = unpacking.decompress(body, self._limit + 1)
        except zlib.error as exc:
            raise self._failure(f"what cannot be unpacked as {encoding}: {exc}") from exc
        if len(unpacked) > self._limit:
            raise self._too_large()
        if not unpacking.eof:
            raise self._failure(f"{encoding} that is cut short")
        return unpacked

    def _too_large(self) -> FailedError:
        return self._failure(
            f"more than the {self._limit} bytes that are expected at most; is it the right address?"
            " If it is, send fewer images in a request (batch_size)"
        )

    def _failure(self, what: str) -> FailedError:
        return FailedError(
            f"{self._response.url} answered {what}",
            status=self._response.status_code,
            request_id=self._response.headers.get("X-Request-Id"),
        )
