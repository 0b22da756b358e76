"""What a client is told whose request gunicorn could not read: no application ever sees it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import http_date

from app.web.line_budget import LineBudget, also
from app.web.observing import UNEXPECTED, new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_MOST_LINES = 10
"""Of one status in a second."""
_LONGEST_EXCERPT = 200
_OURS = (InvalidResponseHeader, InvalidResponseHeaderName)
"""gunicorn takes them for errors of the client's headers; it is the application that sends them."""


class Refusals:
    """Writes the answers, in the shape of all errors, and their lines in the log."""

    def __init__(self, clock: Callable[[], float], config: Any) -> None:
        """Refuse for one worker.

        Args:
            clock: Monotonic seconds.
            config: gunicorn's, which has the bounds that a request is told of.
        """
        self._clock = clock
        self._config = config
        self._lines = LineBudget(_MOST_LINES)

    def answer(self, exc: Exception, client: str) -> bytes:
        """Give the whole answer, head and body, after which the connection must end.

        Args:
            exc: What the parser raised, or the application.
            client: Its address.
        """
        request_id = new_request_id()
        extra = {"request_id": request_id, "client": client}
        details: dict[str, str] = {}
        if isinstance(exc, ParseException) and not isinstance(exc, _OURS):
            status, sentence = self._judge(exc)
            left_out = self._lines.take(status, self._clock())
            if left_out is not None:
                log.info("no request, %d: %s%s", status, sentence, also(left_out), extra=extra)
        else:
            status, sentence = HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED
            details["request_id"] = request_id
            log.error("unexpected failure around the application", exc_info=exc, extra=extra)
        body = orjson.dumps({"error": sentence, **details}, option=orjson.OPT_APPEND_NEWLINE)
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

    def _judge(self, exc: ParseException) -> tuple[HTTPStatus, str]:
        if isinstance(exc, LimitRequestLine):
            limit = self._config.limit_request_line
            sentence = f"the request line is longer than {limit} bytes"
            return HTTPStatus.REQUEST_URI_TOO_LONG, sentence
        if isinstance(exc, LimitRequestHeaders):
            most, size = self._config.limit_request_fields, self._config.limit_request_field_size
            sentence = f"there are over {most} headers, or one is longer than {size} bytes"
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence
        found = str(exc)[:_LONGEST_EXCERPT]
        if isinstance(exc, ExpectationFailed):
            return HTTPStatus.EXPECTATION_FAILED, f"{found}; 100-continue is expected, or nothing"
        if isinstance(exc, UnsupportedTransferCoding):
            return HTTPStatus.NOT_IMPLEMENTED, f"{found}; chunked is expected, or nothing"
        return HTTPStatus.BAD_REQUEST, f"the request cannot be read: {found}"
