"""Errors in TensorFlow Serving's form; errors without a counterpart there keep this service's."""

from __future__ import annotations

import json

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import ServiceError


class TfServingError(ServiceError):
    """Base of the errors that TensorFlow Serving has too."""

    def body(self) -> bytes:
        """Return the error document over several lines; as there, the sentence is its one field."""
        document = json.dumps({"error": str(self)}, indent=4, ensure_ascii=False)
        return document.encode(errors="replace")


class InvalidArgumentError(TfServingError):
    """Raised when a request is malformed, or requests an unsupported method."""

    status = 400
    default_code = ErrorCode.REQUEST_MALFORMED


class ServableNotFoundError(TfServingError):
    """Raised when there is no such model or version."""

    status = 404
    default_code = ErrorCode.MODEL_NOT_FOUND
