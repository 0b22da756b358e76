"""Calls the Flask application in threads, in lanes that cannot fill each other.

Predictions that wait for the model host, or orders that wait for a store, leave health checks and
metrics their own threads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from a2wsgi import WSGIMiddleware

from app.web.access.routes import is_change
from app.web.admin import TIMEOUT_MS
from app.web.bodies import request_timeout_s
from app.web.errors import BadInputError, DeadlineError, OverloadedError
from app.web.held_bodies import held_bodies
from app.web.observing import STARTED
from app.web.pending_call import PENDING_CALL, PendingCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from app.asgi_types import Message


_MOST_WAITING = 1000
"""Requests that may wait for a thread of one lane."""
_HEALTH = frozenset(("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"))
"""Answered by what is known: no thread waits here for anybody."""
_METRICS = "/metrics"
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

    def __init__(
        self,
        application: WSGIApplication,
        clock: Callable[[], float],
        *,
        threads: int,
        timeout_ms: int,
    ) -> None:
        """Create a lane; its threads start when they are needed.

        Args:
            application: Called in the threads.
            clock: Monotonic seconds, those of the requests' start.
            threads: At most so many requests are answered at once.
            timeout_ms: Deadline of a request that names none.
        """
        self._adapter = WSGIMiddleware(_with_own_environ(application), workers=threads)
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._turns = asyncio.Semaphore(threads)
        self._waiting = 0

    async def answer(self, environ: Environ) -> Answer:
        """Have the application answer a request in a thread.

        When the task that waits here is cancelled, what the thread waits for is cancelled too.

        Args:
            environ: The request's, with its body.

        Raises:
            OverloadedError: If too many requests wait already.
            DeadlineError: If no thread is free before the request's deadline.
        """
        await self._wait_for_turn(environ)
        pending = PendingCall()
        running = asyncio.create_task(self._run(environ, pending))
        running.add_done_callback(lambda _running: self._turns.release())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            pending.cancel()
            raise

    async def _wait_for_turn(self, environ: Environ) -> None:
        if self._waiting >= _MOST_WAITING:
            sentence = f"{self._waiting} requests wait for a thread; send it again"
            raise OverloadedError(sentence, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._left_s(environ)):
                await self._turns.acquire()
        except TimeoutError:
            raise DeadlineError("no thread was free before the deadline") from None
        finally:
            self._waiting -= 1

    def _left_s(self, environ: Environ) -> float:
        try:
            timeout_s = request_timeout_s(environ, self._timeout_ms)
        except BadInputError:  # the view tells
            timeout_s = self._timeout_ms / 1000
        started: float = environ[STARTED]
        return started + timeout_s - self._clock()

    async def _run(self, environ: Environ, pending: PendingCall) -> Answer:
        PENDING_CALL.set(pending)  # the adapter copies the context into the thread
        messages: list[Any] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await self._adapter(_scope_of(environ), _receive, send)  # type: ignore[arg-type]
        start, *parts = messages
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"]]
        return Answer(start["status"], headers, b"".join(part["body"] for part in parts))


class Lanes:
    """Chooses a lane for each request."""

    def __init__(
        self, application: WSGIApplication, clock: Callable[[], float], timeout_ms: int
    ) -> None:
        """Create the lanes.

        Args:
            application: Flask's, without what the gate does.
            clock: Monotonic seconds, those of the requests' start.
            timeout_ms: Deadline of a request that names none, and is no order.
        """

        def lane(threads: int, timeout_ms: int = timeout_ms) -> Lane:
            return Lane(application, clock, threads=threads, timeout_ms=timeout_ms)

        self._predictions = lane(32)
        self._changes = lane(4, TIMEOUT_MS)
        self._health = lane(2)
        self._metrics = lane(2)
        self._others = lane(8)

    def of(self, environ: Environ) -> Lane:
        """Return the lane of a request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path in _HEALTH:
            return self._health
        if path == _METRICS:
            return self._metrics
        if is_change(method, path):
            return self._changes
        return self._predictions if method == "POST" else self._others


def _scope_of(environ: Environ) -> dict[str, Any]:
    """Return what the adapter makes an environment of, which nobody looks at."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "path": "",
        "query_string": b"",
        _ENVIRON: environ,
    }


def _with_own_environ(application: WSGIApplication) -> Any:
    """Return an application that is given the environment that the gate has seen."""

    def call(environ: Any, start_response: StartResponse) -> Iterable[bytes]:
        own = environ["asgi.scope"][_ENVIRON]
        with held_bodies.working(own):
            return application(own, start_response)

    return call


async def _receive() -> Any:
    """Return no body: the environment has it."""
    return {"type": "http.request", "body": b"", "more_body": False}
