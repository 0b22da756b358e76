"""What happens around every request: its id, its place in the metrics, its line in the log."""

from __future__ import annotations

import logging
import re
import secrets
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.metrics import WebMetrics

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


def observe_requests(
    app: Flask, metrics: WebMetrics, clock: Callable[[], float], *, log_all: bool
) -> None:
    """Attach to an application.

    Args:
        app: Its requests are observed.
        metrics: Counts them.
        clock: Monotonic seconds.
        log_all: Log every request, not only those answered 4xx and 5xx.
    """

    @app.before_request
    def begin() -> None:
        g.started = clock()
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        metrics.began()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = clock() - g.started
        route = request.url_rule.rule if request.url_rule else "unmatched"
        metrics.ended(route, request.method, response.status_code, seconds)
        response.headers[REQUEST_ID_HEADER] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if log_all or response.status_code >= _CLIENT_ERROR:
            _log(response, route, seconds)
        return response


def _log(response: Response, route: str, seconds: float) -> None:
    status = response.status_code
    level = logging.INFO if status < _SERVER_ERROR else logging.WARNING
    known = request.url_rule is not None
    log.log(
        level,
        "%s %s %d in %.1f ms",
        request.method,
        route if known else repr(request.path[:200]),
        status,
        seconds * 1000,
        extra={
            "request_id": g.request_id,
            "client": request.remote_addr,
            "route": route,
            "status": status,
            "duration_s": round(seconds, 6),
        },
    )
