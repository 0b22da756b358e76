"""Receives the bodies of requests on the event loop, within bounds on size, time and memory."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

from app.web.http.environ import STARTED
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, OverloadedError, SlowBodyError
from app.web.http.held_bodies import held_bodies
from app.web.http.request_body import FailedBody, request_timeout_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.server.front.asgi_types import Receive, Received


_LONGEST_S = 30.0
"""However long a caller waits for an answer, its body must come within so long."""
_SMALL = 16 * 2**10
"""A body that came with its head is not counted unless it is larger; hardly one is."""

Environ = dict[str, Any]


class BodyReception:
    """Receives bodies; a failure is raised to the view that reads one."""

    def __init__(self, clock: Callable[[], float], *, timeout_ms: int, max_body_bytes: int) -> None:
        """Create one.

        Args:
            clock: Monotonic seconds, those of the requests' start.
            timeout_ms: Deadline of a request that names none.
            max_body_bytes: Bound on a body.
        """
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._max_bytes = max_body_bytes

    def is_too_large(self, environ: Environ) -> bool:
        """Return whether a request says that its body is over the bound."""
        return int(environ.get("CONTENT_LENGTH") or 0) > self._max_bytes

    def whole(self, environ: Environ, body: bytes) -> io.BytesIO | FailedBody:
        """Return a body that came with its head, as a view can read it.

        Args:
            environ: The request's.
            body: All of it.
        """
        if len(body) > _SMALL:
            try:
                held_bodies.take(environ, len(body))
            except OverloadedError as exc:
                return FailedBody(exc)
        return io.BytesIO(body)

    async def receive(
        self, environ: Environ, receive: Receive, received: Received
    ) -> io.BytesIO | FailedBody:
        """Return a body that a view can read.

        Args:
            environ: The request's.
            receive: ASGI's.
            received: Knows why a body does not come.

        Raises:
            CancelledError: If the client goes away meanwhile.
        """
        try:
            timeout_s = min(request_timeout_s(environ, self._timeout_ms), _LONGEST_S)
        except BadInputError as exc:
            return FailedBody(exc)
        left_s = environ[STARTED] + timeout_s - self._clock()
        try:
            async with asyncio.timeout(left_s):
                return io.BytesIO(await self._pieces(environ, receive, received))
        except TimeoutError:
            message = f"the body did not arrive within {timeout_s:g} s"
            return FailedBody(SlowBodyError(message))
        except (BadInputError, OverloadedError) as exc:
            return FailedBody(exc)

    async def _pieces(self, environ: Environ, receive: Receive, received: Received) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                if not received.trouble:
                    # The client is gone, and gunicorn has cancelled this task. But it waits in
                    # asyncio.wait_for, which swallows that before Python 3.12.
                    raise asyncio.CancelledError
                raise BadInputError(
                    f"the body cannot be read: {received.trouble}", code=ErrorCode.BODY_INCOMPLETE
                )
            piece = message["body"]
            size += len(piece)
            held_bodies.take(environ, len(piece))
            pieces.append(piece)
            if not message["more_body"] or size > self._max_bytes:
                return b"".join(pieces)
