"""A response whose body and headers are final: no hook changes them, and nothing is parsed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response

from app.web.http.gzip_responses import LARGE, pack

if TYPE_CHECKING:
    from collections.abc import Iterable

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_EMPTY = 204

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class BufferedResponse(Response):
    """Sends its body, compressed if it is large, with its length."""

    def __init__(  # not Flask's, which takes 20 µs
        self, body: bytes, headers: Headers, status: int = 200
    ) -> None:
        self._body = body
        self._response_headers = headers
        self._status, self._status_code = _STATUS_LINES[status], status

    def final(self, environ: Environ) -> tuple[bytes, Headers]:
        """Return the final body and headers for a request."""
        body, headers = self._body, self._response_headers
        if len(body) > LARGE:
            body, headers = pack(body, headers, environ.get("HTTP_ACCEPT_ENCODING", ""))
        if self._status_code == _EMPTY:
            return body, headers
        return body, [*headers, ("Content-Length", str(len(body)))]

    def get_wsgi_response(self, environ: Environ) -> tuple[Iterable[bytes], str, Headers]:
        """Return body, status and headers for WSGI."""
        body, headers = self.final(environ)
        return [body], self._status, headers
