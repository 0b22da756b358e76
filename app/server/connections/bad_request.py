"""Responses to requests that gunicorn could not parse: no application sees them."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.util import http_date

from app.telemetry.log_rate_limit import LogRateLimit, also
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import UNEXPECTED, error_document
from app.web.middleware.request_log import new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_CODES = {
    HTTPStatus.REQUEST_URI_TOO_LONG: ErrorCode.REQUEST_LINE_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ErrorCode.REQUEST_HEADERS_TOO_LARGE,
    HTTPStatus.EXPECTATION_FAILED: ErrorCode.REQUEST_UNSUPPORTED,
    HTTPStatus.NOT_IMPLEMENTED: ErrorCode.REQUEST_UNSUPPORTED,
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorCode.INTERNAL,
}
"""Those of other statuses are `request.unreadable`."""

_MOST_LINES = 10
"""Of one status in a second."""
_LONGEST_EXCERPT = 200


class BadRequests:
    """Writes error responses, and their lines in the log."""

    def __init__(self, clock: Callable[[], float], config: Any) -> None:
        """Create the responses of one worker.

        Args:
            clock: Monotonic seconds.
            config: gunicorn's, which has the bounds that a client is told of.
        """
        self._clock = clock
        self._config = config
        self._lines = LogRateLimit(_MOST_LINES)

    def answer(self, status: HTTPStatus, found: str, client: str) -> bytes:
        """Return the whole response, head and body, after which the connection must end.

        Args:
            status: As gunicorn judges the request.
            found: The parser's message.
            client: Its address.
        """
        request_id = new_request_id()
        message = self._message(status, found[:_LONGEST_EXCERPT])
        left_out = self._lines.take(status, self._clock())
        if left_out is not None:
            extra = {"request_id": request_id, "client": client}
            log.info("unreadable request, %d: %s%s", status, message, also(left_out), extra=extra)
        details = {"request_id": request_id} if status is HTTPStatus.INTERNAL_SERVER_ERROR else {}
        code = _CODES.get(status, ErrorCode.REQUEST_UNREADABLE)
        body = error_document(message, code, **details)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Date: {http_date()}",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"X-Request-Id: {request_id}",
            "X-Content-Type-Options: nosniff",
            "\r\n",
        )
        return "\r\n".join(head).encode() + body

    def _message(self, status: HTTPStatus, found: str) -> str:
        if status is HTTPStatus.REQUEST_URI_TOO_LONG:
            limit = self._config.limit_request_line
            return f"the request line is longer than {limit} bytes"
        if status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            most, size = self._config.limit_request_fields, self._config.limit_request_field_size
            return f"there are over {most} headers, or one is longer than {size} bytes"
        if status is HTTPStatus.EXPECTATION_FAILED:
            return f"{found}; 100-continue is expected, or nothing"
        if status is HTTPStatus.NOT_IMPLEMENTED:
            return f"{found}; chunked is expected, or nothing"
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:  # the answer could not be sent
            return UNEXPECTED
        return f"the request cannot be read: {found}"
