"""The record of every request: its id, its metrics, its line in the log."""

from __future__ import annotations

import logging
import random
import re
from typing import TYPE_CHECKING, Any

from app.telemetry.log_rate_limit import LogRateLimit, also
from app.web.http.environ import CALLER, REQUEST_ID, ROUTE, STARTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.middleware.metrics import WebMetrics

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_CLIENT_ERROR = 400
_SERVER_ERROR = 500
CLIENT_GONE = 499
"""What proxies log for a client that did not wait; nothing is sent."""
_MOST_LINES = 10
"""Of one route and status in a second, unless every request is to be logged."""

Environ = dict[str, Any]


def new_request_id() -> str:
    """Return an id for a request that names none."""
    return f"{random.getrandbits(64):016x}"


class RequestLog:
    """Records when requests begin, and how they end."""

    def __init__(self, metrics: WebMetrics, clock: Callable[[], float], *, log_all: bool) -> None:
        """Create the log of requests.

        Args:
            metrics: Counts them.
            clock: Monotonic seconds.
            log_all: Log every request, not only those answered 4xx and 5xx.
        """
        self._metrics = metrics
        self._clock = clock
        self._log_all = log_all
        self._lines = LogRateLimit(_MOST_LINES)

    def begin(self, environ: Environ) -> None:
        """Record the start and the id of a request."""
        environ[STARTED] = self._clock()
        given = environ.get("HTTP_X_REQUEST_ID")
        named = given is not None and _REQUEST_ID.fullmatch(given)
        environ[REQUEST_ID] = given if named else new_request_id()
        self._metrics.began()

    def end(self, environ: Environ, status: int = CLIENT_GONE) -> None:
        """Record the status of a request; by default that its client was gone."""
        seconds = self._clock() - environ[STARTED]
        route = environ.get(ROUTE, "unmatched")
        self._metrics.ended(route, environ["REQUEST_METHOD"], status, seconds)
        if self._log_all:
            _log(environ, route, status, seconds)
        elif status >= _CLIENT_ERROR:
            left_out = self._lines.take((route, status), environ[STARTED])
            if left_out is not None:
                _log(environ, route, status, seconds, left_out)


def _log(environ: Environ, route: str, status: int, seconds: float, left_out: int = 0) -> None:
    caller = {"key": environ[CALLER]} if CALLER in environ else {}
    level = logging.INFO if status < _SERVER_ERROR else logging.WARNING
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")  # as WSGI has it
    log.log(
        level,
        "%s %s %d in %.1f ms%s",
        environ["REQUEST_METHOD"],
        route if ROUTE in environ else repr(path[:200]),
        status,
        seconds * 1000,
        also(left_out),
        extra={
            "request_id": environ[REQUEST_ID],
            "client": environ.get("REMOTE_ADDR"),
            "route": route,
            "status": status,
            "duration_s": round(seconds, 6),
            "left_out": left_out,
            **caller,
        },
    )
