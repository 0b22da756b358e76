"""Responses for errors, and their registration with Flask."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.web.http.buffered_response import BufferedResponse
from app.web.http.environ import REQUEST_ID
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import UNEXPECTED, ServiceError, error_document
from app.web.http.responses import json_response

if TYPE_CHECKING:
    from flask import Flask, Response

log = logging.getLogger(__name__)

_SERVER_ERROR = 500


def register_errors(app: Flask) -> None:
    """Register the handlers that answer every error in one format."""
    app.register_error_handler(ServiceError, error_response)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, lambda exc: unexpected(exc, request.environ))


def error_response(exc: ServiceError) -> BufferedResponse:
    """Return the response to a refused request. Under overload most are, so it is a short way."""
    return BufferedResponse(exc.body(), exc.headers(), exc.status)


def unexpected(exc: Exception, environ: dict[str, Any]) -> BufferedResponse:
    """Log a failure of the service, and return the answer to the request that met it."""
    request_id, path = environ[REQUEST_ID], environ["PATH_INFO"]
    log.error("unexpected failure on %s", path, exc_info=exc, extra={"request_id": request_id})
    body = error_document(UNEXPECTED, ErrorCode.INTERNAL, request_id=request_id)
    return BufferedResponse(body, [("Content-Type", "application/json")], 500)


def _http_error(exc: HTTPException) -> Response:
    status = exc.code or 500
    response = json_response({"error": _message(exc), "code": _code(exc, status)}, status)
    for name, value in exc.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _message(exc: HTTPException) -> str:
    if isinstance(exc, NotFound):
        return f"there is no {request.path}; GET / lists what is here"
    if isinstance(exc, MethodNotAllowed):
        allowed = ", ".join(sorted(exc.valid_methods or ()))
        return f"{request.method} is not allowed on {request.path}; allowed: {allowed}"
    return exc.description or exc.name


def _code(exc: HTTPException, status: int) -> ErrorCode:
    if isinstance(exc, NotFound):
        return ErrorCode.ROUTE_NOT_FOUND
    if isinstance(exc, MethodNotAllowed):
        return ErrorCode.METHOD_NOT_ALLOWED
    return ErrorCode.REQUEST_MALFORMED if status < _SERVER_ERROR else ErrorCode.INTERNAL
