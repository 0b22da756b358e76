"""Calls the Flask application in threads, in lanes that cannot fill each other.

Predictions that wait for the model host, or commands that wait for a store, leave health checks and
metrics their own threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

from app.web.host_client.commands import COMMAND_TIMEOUT_MS
from app.web.http.environ import STARTED
from app.web.http.errors import BadInputError, DeadlineError, OverloadedError
from app.web.http.held_bodies import held_bodies
from app.web.http.pending_call import PENDING_CALL, PendingCall
from app.web.http.request_body import request_timeout_s
from app.web.middleware.public_paths import is_change, is_free, is_read_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

_MOST_WAITING = 1000
"""Requests that may wait for a thread of one lane."""
_HEALTH = frozenset(("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"))
"""Answered by what is known: no thread waits here for anybody."""
_METRICS = "/metrics"

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class HttpResponse(NamedTuple):
    """The response of an application."""

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
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flask")
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._turns = asyncio.Semaphore(threads)
        self._waiting = 0

    async def answer(self, environ: Environ) -> HttpResponse:
        """Run the application for a request in a thread.

        When the waiting task is cancelled, the thread's call to the host is cancelled too.

        Args:
            environ: The request's, with its body.

        Raises:
            OverloadedError: If too many requests wait already.
            DeadlineError: If no thread is free before the request's deadline.
        """
        await self._wait_for_turn(environ)
        pending, context = PendingCall(), copy_context()
        context.run(PENDING_CALL.set, pending)
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, context.run, self._call, environ
        )
        running.add_done_callback(self._end_turn)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            pending.cancel()
            raise

    async def _wait_for_turn(self, environ: Environ) -> None:
        if self._waiting >= _MOST_WAITING:
            message = f"{self._waiting} requests wait for a thread; try again"
            raise OverloadedError(message, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._left_s(environ)):
                await self._turns.acquire()
        except TimeoutError:
            raise DeadlineError("no thread was free before the deadline") from None
        finally:
            self._waiting -= 1

    def _end_turn(self, ran: asyncio.Future[HttpResponse]) -> None:
        self._turns.release()
        ran.exception()  # else asyncio logs it where nobody waits any more

    def _left_s(self, environ: Environ) -> float:
        try:
            timeout_s = request_timeout_s(environ, self._timeout_ms)
        except BadInputError:  # the view reports it
            timeout_s = self._timeout_ms / 1000
        started: float = environ[STARTED]
        return started + timeout_s - self._clock()

    def _call(self, environ: Environ) -> HttpResponse:
        """Run the application in this thread (WSGI, PEP 3333)."""
        status, headers = "", Headers()
        written: list[bytes] = []

        def start(new_status: str, new_headers: Headers, _failure: Any = None) -> Any:
            nonlocal status, headers  # it may begin anew: nothing of its answer is sent yet
            status, headers = new_status, new_headers
            return written.append

        with held_bodies.working(environ), ExitStack() as ended:
            parts = self._application(environ, start)
            if hasattr(parts, "close"):
                ended.callback(parts.close)
            for part in parts:  # it may start, and write more, as late as here
                written.append(part)  # noqa: PERF402 - likewise
        return HttpResponse(int(status[:3]), headers, b"".join(written))


class Lanes:
    """Chooses a lane for each request."""

    def __init__(
        self, application: WSGIApplication, clock: Callable[[], float], timeout_ms: int
    ) -> None:
        """Create the lanes.

        Args:
            application: Flask's, without what the gate does.
            clock: Monotonic seconds, those of the requests' start.
            timeout_ms: Deadline of a request that names none, and is no admin command.
        """

        def lane(threads: int, timeout_ms: int = timeout_ms) -> Lane:
            return Lane(application, clock, threads=threads, timeout_ms=timeout_ms)

        self._predictions = lane(32)
        self._changes = lane(4, COMMAND_TIMEOUT_MS)
        self._health = lane(2)
        self._metrics = lane(2)
        self._pages = lane(4)
        """And whatever else anybody may fetch: it waits for the model host too."""
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
        if is_free(path):
            return self._pages
        predicts = method == "POST" and not is_read_only(method, path)
        return self._predictions if predicts else self._others
