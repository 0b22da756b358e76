"""Calls the Flask application in threads, in lanes that cannot fill each other.

Predictions that wait for the model host, or orders that wait for a store, leave health checks and
metrics their own threads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from a2wsgi import WSGIMiddleware

from app.web.access.routes import is_change
from app.web.blocking_host import PENDING_CALL, PendingCall
from app.web.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from app.asgi_types import Message, Scope


_MOST_WAITING = 1000
"""Requests that may wait for a thread of one lane."""
_LONGEST_WAIT_S = 30.0
_OPERATIONS = frozenset(("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"))
_ENVIRON = "glyph.environ"

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """What an application answered."""

    status: int
    headers: Headers
    body: bytes


class Lane:
    """A bounded number of threads, and a bounded number of requests that wait for them."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self._adapter = WSGIMiddleware(_with_own_environ(application), workers=threads)
        self._turns = asyncio.Semaphore(threads)
        self._waiting = 0

    async def answer(self, scope: Scope, environ: Environ) -> Answer:
        """Have the application answer a request in a thread.

        When the task that waits here is cancelled, what the thread waits for is cancelled too.

        Args:
            scope: The request's.
            environ: What the application is given of it, with its body.

        Raises:
            OverloadedError: If too many requests wait already, or it waits too long.
        """
        if self._waiting >= _MOST_WAITING:
            sentence = f"{self._waiting} requests wait for a thread; send it again"
            raise OverloadedError(sentence, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise OverloadedError("no thread was free in time", retry_after_s=1) from None
        finally:
            self._waiting -= 1
        pending = PendingCall()
        running = asyncio.create_task(self._run(scope, environ, pending))
        running.add_done_callback(lambda _running: self._turns.release())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            pending.cancel()
            raise

    async def _run(self, scope: Scope, environ: Environ, pending: PendingCall) -> Answer:
        PENDING_CALL.set(pending)  # the adapter copies the context into the thread
        messages: list[Any] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await self._adapter({**scope, _ENVIRON: environ}, _receive, send)  # type: ignore[arg-type]
        start, *parts = messages
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"]]
        return Answer(start["status"], headers, b"".join(part["body"] for part in parts))


class Lanes:
    """Chooses a lane for each request."""

    def __init__(self, application: WSGIApplication) -> None:
        """Create lanes; their threads start when they are needed.

        Args:
            application: Flask's, without what the gate does.
        """
        self._predictions = Lane(application, 32)
        self._changes = Lane(application, 4)
        self._operations = Lane(application, 2)
        self._others = Lane(application, 8)

    def of(self, environ: Environ) -> Lane:
        """Return the lane of a request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path in _OPERATIONS:
            return self._operations
        if is_change(method, path):
            return self._changes
        return self._predictions if method == "POST" else self._others


def _with_own_environ(application: WSGIApplication) -> Any:
    """Return an application that is given the environment that the gate has seen."""

    def call(environ: Any, start_response: StartResponse) -> Iterable[bytes]:
        return application(environ["asgi.scope"][_ENVIRON], start_response)

    return call


async def _receive() -> Any:
    """Return no body: the environment has it."""
    return {"type": "http.request", "body": b"", "more_body": False}
