"""The middleware that every request passes on its way in and out, on the fast path too.

The policy does not depend on the transport: the WSGI environment stands for a request, and both the
Flask application and the fast path go through the same gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.web.http.environ import REQUEST_ID
from app.web.http.error_handlers import error_response, unexpected
from app.web.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication

    from app.web.http.buffered_response import BufferedResponse
    from app.web.http.held_bodies import HeldBodies
    from app.web.middleware.request_log import RequestLog

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class Layer(Protocol):
    """One middleware of the gate."""

    def enter(self, environ: Environ) -> BufferedResponse | None:
        """Check a request, and change its environment; a returned response ends it here.

        Raises:
            ServiceError: If the request is refused.
        """
        ...

    def headers(self, environ: Environ) -> Headers:
        """Return the headers that this layer adds to every response."""
        ...


class Gate:
    """Assigns ids to requests, checks them, and logs how they end."""

    def __init__(
        self, request_log: RequestLog, layers: Sequence[Layer], held_bodies: HeldBodies
    ) -> None:
        """Create a gate.

        Args:
            request_log: Records every request.
            layers: The outermost first.
            held_bodies: Counts what a request's body takes, until it leaves.
        """
        self._request_log = request_log
        self._layers = layers
        self._held_bodies = held_bodies

    def enter(self, environ: Environ) -> BufferedResponse | None:
        """Admit a request, or return its response. Every one leaves, or is abandoned.

        Args:
            environ: The request's; the layers may change it.
        """
        self._request_log.begin(environ)
        for layer in self._layers:
            try:
                response = layer.enter(environ)
            except ServiceError as exc:
                response = error_response(exc)
            except Exception as exc:  # noqa: BLE001 - told to the client, and logged
                response = unexpected(exc, environ)
            if response is not None:
                return response
        return None

    def leave(self, environ: Environ, status: int, headers: Headers) -> Headers:
        """Record the response to a request, and return its headers with the added ones.

        Args:
            environ: As it entered.
            status: Of the answer.
            headers: Of the answer.
        """
        self._held_bodies.release(environ)
        self._request_log.end(environ, status)
        return [*headers, *self._added(environ)]

    def abandon(self, environ: Environ) -> None:
        """Record that the client of a request has gone before its response."""
        self._held_bodies.release(environ)
        self._request_log.end(environ)

    def _added(self, environ: Environ) -> Headers:
        added: Headers = []
        for layer in self._layers:
            added += layer.headers(environ)
        added += (
            ("X-Request-Id", environ[REQUEST_ID]),
            ("X-Content-Type-Options", "nosniff"),
        )
        return added


class GatedApplication:
    """A WSGI application behind a gate."""

    def __init__(self, application: WSGIApplication, gate: Gate) -> None:
        self.application = application
        """Without the gate."""
        self.gate = gate

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        open_ = True

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal open_
            if open_:
                open_ = False
                headers = self.gate.leave(environ, int(status[:3]), headers)
            return start_response(status, headers, exc_info)

        application = self.gate.enter(environ) or self.application
        try:
            return application(environ, start)
        finally:
            if open_:
                self.gate.abandon(environ)
