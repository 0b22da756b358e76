"""Cross-origin resource sharing (CORS); off unless it is set."""

from __future__ import annotations

import re
from typing import Any

from app.config.origins import ANY
from app.web.http.buffered_response import BufferedResponse
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError

_METHODS = "POST, GET"
_KEY_HEADERS = "Authorization, X-API-Key"
_TENSORFLOW_SERVING = re.compile(r"/v1(/.*)?", re.DOTALL | re.IGNORECASE)
_TAKES = (
    "Content-Type, Content-Encoding, Inference-Header-Content-Length, X-Request-Id, "
    f"X-Request-Timeout-Ms, {_KEY_HEADERS}"
)
_SHOWS = (
    "Glyph-Model, Glyph-Ready, Glyph-Version, Inference-Header-Content-Length, Retry-After, "
    "Server-Timing, X-Request-Id"
)
_REMEMBER_S = "600"

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class CrossOrigin:
    """Answers preflight requests, and adds the CORS headers."""

    def __init__(self, origins: frozenset[str], *, with_keys: bool) -> None:
        """Allow origins.

        Args:
            origins: Whose pages may read answers; `*` is everybody's.
            with_keys: Callers send API keys, also to TensorFlow Serving's routes.
        """
        self._any = ANY in origins
        self._origins = origins
        self._tfs_takes = f"Content-Type, {_KEY_HEADERS}" if with_keys else "Content-Type"

    def enter(self, environ: Environ) -> BufferedResponse | None:
        """Answer preflight requests; return None for any other request.

        Raises:
            BadInputError: If a preflight request names no page.
        """
        if environ["REQUEST_METHOD"] != "OPTIONS":
            return None
        origin, of_tfs = _origin(environ), _is_of_tfs(environ)
        if of_tfs and not origin.startswith(("http://", "https://")):
            raise BadInputError(
                "OPTIONS without the Origin of a page; http(s) is expected",
                code=ErrorCode.REQUEST_PARAMETER,
            )
        asks = of_tfs or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        return _allow(of_tfs=of_tfs) if asks and self._headers(origin) else None

    def headers(self, environ: Environ) -> Headers:
        """Return the CORS headers of a response."""
        headers = self._headers(_origin(environ))
        if headers and _is_of_tfs(environ):
            headers += self._as_tensorflow_serving_does()
        return headers + self._vary()

    def _headers(self, origin: str) -> Headers:
        """Return the headers that let a page of an origin read the response; none if it may not."""
        if not self._any and origin not in self._origins:
            return []
        allowed = ANY if self._any else origin
        return [("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", _SHOWS)]

    def _as_tensorflow_serving_does(self) -> Headers:
        return [
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", self._tfs_takes),
        ]

    def _vary(self) -> Headers:
        """Return the header that tells caches that responses differ by origin."""
        return [] if self._any else [("Vary", "Origin")]


def _origin(environ: Environ) -> str:
    origin: str = environ.get("HTTP_ORIGIN", "")
    return origin.lower()


def _is_of_tfs(environ: Environ) -> bool:
    return _TENSORFLOW_SERVING.fullmatch(environ["PATH_INFO"]) is not None


def _allow(*, of_tfs: bool) -> BufferedResponse:
    """Create the response to a preflight request."""
    if of_tfs:
        return BufferedResponse(b"", [])
    allowed = [
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Allow-Headers", _TAKES),
        ("Access-Control-Max-Age", _REMEMBER_S),
    ]
    return BufferedResponse(b"", allowed, 204)
