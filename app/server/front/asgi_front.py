"""The ASGI application in front of Flask.

Common predictions are answered on the event loop; everything else goes to Flask in a thread.
All requests pass the same gate.
"""

from __future__ import annotations

import asyncio
import io
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.server.front.asgi_environ import environ_of
from app.server.front.asgi_types import RECEIVED, Received
from app.server.front.body_reception import BodyReception
from app.server.front.thread_lanes import HttpResponse, Lanes
from app.web.http.environ import DRAINING
from app.web.http.error_codes import ErrorCode
from app.web.http.error_handlers import error_response, unexpected
from app.web.http.errors import BadInputError, OverloadedError, ServiceError
from app.web.http.request_body import FailedBody
from app.web.middleware.gate import GatedApplication
from app.web.middleware.public_paths import is_change, is_free, is_read_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.server.front.asgi_types import Receive, Scope, Send
    from app.server.front.fast_path import FastPath
    from app.web.http.buffered_response import BufferedResponse
    from app.web.http.flask_app import FlaskApp

log = logging.getLogger(__name__)

Environ = dict[str, Any]


class AsgiFront:
    """Answers HTTP requests."""

    def __init__(
        self,
        flask: FlaskApp,
        fast_path: FastPath | None,
        clock: Callable[[], float],
        *,
        timeout_ms: int,
        max_body_bytes: int,
    ) -> None:
        """Put a front before a Flask application.

        Args:
            flask: Answers all other requests; its gate is this front's too.
            fast_path: Answers common requests; None leaves everything to Flask.
            clock: Monotonic seconds, those that the gate reads.
            timeout_ms: Deadline of a request that names none.
            max_body_bytes: Bound on a body.
        """
        gated = flask.wsgi_app
        assert isinstance(gated, GatedApplication)  # noqa: S101 - the factory put it there
        self._flask = flask
        self._gate = gated.gate
        self._lanes = Lanes(gated.application, clock, timeout_ms)
        self._reception = BodyReception(clock, timeout_ms=timeout_ms, max_body_bytes=max_body_bytes)
        self._fast_path = fast_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        environ = environ_of(scope)
        received: Received = scope.get(RECEIVED) or Received()  # under any other server
        if received.draining:
            environ[DRAINING] = True
        try:
            refused = self._gate.enter(environ)
            if refused is None:
                answer = await self._answer(environ, receive, received)
            else:
                answer = _final(refused, environ)
        except asyncio.CancelledError:
            self._gate.abandon(environ)
            raise
        except ServiceError as exc:
            answer = _final(error_response(exc), environ)
        except Exception as exc:  # noqa: BLE001 - told to the client, and logged
            answer = _final(unexpected(exc, environ), environ)
        headers = self._gate.leave(environ, answer.status, answer.headers)
        encoded = [(_name(name), value.encode("latin-1")) for name, value in headers]
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": encoded,
                "trailers": False,
            }
        )
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, environ: Environ, receive: Receive, received: Received) -> HttpResponse:
        if received.surplus and not _is_spared(environ):
            message = "all connections of this worker are in use"
            raise OverloadedError(message, retry_after_s=1)
        matched = self._fast_path.match(environ) if self._fast_path is not None else None
        body = await self._body(environ, receive, received)
        if matched is not None and self._fast_path is not None and isinstance(body, io.BytesIO):
            response = await self._fast_path.answer(matched, environ, body.getvalue())
            if response is not None:
                return _final(response, environ)
        environ["wsgi.input"] = body
        return await self._lanes.of(environ).answer(environ)

    async def _body(
        self, environ: Environ, receive: Receive, received: Received
    ) -> io.BytesIO | FailedBody:
        """Return a request's body; do not wait for one that no view reads."""
        if received.body is not None:
            return self._reception.whole(environ, received.body)
        if self._reception.is_too_large(environ) or not self._flask.awaits_body(environ):
            return FailedBody(
                BadInputError("the body was not waited for", code=ErrorCode.BODY_INCOMPLETE)
            )
        return await self._reception.receive(environ, receive, received)


def _is_spared(environ: Environ) -> bool:
    """Return whether a request is for operators, who are admitted under overload."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    return is_free(path) or is_change(method, path) or is_read_only(method, path)


def _final(response: BufferedResponse, environ: Environ) -> HttpResponse:
    body, headers = response.final(environ)
    return HttpResponse(response.status_code, headers, body)


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return name.lower().encode("latin-1")
