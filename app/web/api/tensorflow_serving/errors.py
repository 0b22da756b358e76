"""Errors in TensorFlow Serving's form; errors without a counterpart there keep this service's."""

from __future__ import annotations

import json

from app.web.http.errors import ServiceError


class TfServingError(ServiceError):
    """Base of the errors that TensorFlow Serving has too."""

    def body(self) -> bytes:
        """Return the error document over several lines, as there."""
        document = json.dumps({"error": str(self)}, indent=4, ensure_ascii=False)
        return document.encode(errors="replace")


class InvalidArgumentError(TfServingError):
    """Raised when a request is malformed, or requests an unsupported method."""

    status = 400


class ServableNotFoundError(TfServingError):
    """Raised when there is no such model or version."""

    status = 404
