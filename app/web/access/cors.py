"""Lets pages of other origins use the service, as browsers ask for it; closed unless it is set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from app.access.origins import ANY
from app.web.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

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
    """WSGI middleware."""

    def __init__(
        self, application: WSGIApplication, origins: frozenset[str], *, with_keys: bool
    ) -> None:
        """Wrap an application.

        Args:
            application: Answers everything but the questions that browsers ask beforehand.
            origins: Whose pages may read answers; `*` is everybody's.
            with_keys: Callers send API keys, also to TensorFlow Serving's routes.
        """
        self._application = application
        self._any = ANY in origins
        self._origins = origins
        self._tfs_takes = f"Content-Type, {_KEY_HEADERS}" if with_keys else "Content-Type"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or have it answered."""
        origin = environ.get("HTTP_ORIGIN", "").lower()
        headers = self._headers(origin)
        of_tfs = _TENSORFLOW_SERVING.fullmatch(environ["PATH_INFO"]) is not None
        if of_tfs and headers:
            headers += self._as_tensorflow_serving_does()

        def start(status: str, given: Headers, exc_info: Any = None) -> Any:
            return start_response(status, given + headers + self._vary(), exc_info)

        if environ["REQUEST_METHOD"] == "OPTIONS":
            if of_tfs and not origin.startswith(("http://", "https://")):
                error = BadInputError("OPTIONS without the Origin of a page; http(s) is expected")
                return error.response()(environ, start)
            if headers and (of_tfs or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ):
                return self._allow(start, of_tfs=of_tfs)
        return self._application(environ, start)

    def _headers(self, origin: str) -> Headers:
        """Give what lets a page of an origin read the answer; nothing if it may not."""
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
        """Tell caches that the answer to another origin differs."""
        return [] if self._any else [("Vary", "Origin")]

    def _allow(self, start: StartResponse, *, of_tfs: bool) -> Iterable[bytes]:
        """Answer the question whether a page may send a request."""
        if of_tfs:
            start("200 OK", [("Content-Length", "0")])
            return []
        allowed = [
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _TAKES),
            ("Access-Control-Max-Age", _REMEMBER_S),
        ]
        start("204 No Content", allowed)
        return []
