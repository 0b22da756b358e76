"""Refusals in TensorFlow Serving's own words; what it has no case for keeps this service's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from app.web.errors import ServiceError
from app.web.lean_flask import FinalResponse

if TYPE_CHECKING:
    from flask import Response


class TfServingError(ServiceError):
    """Base of the refusals that programs know from there."""

    def response(self) -> Response:
        """Render over several lines, as there."""
        body = json.dumps({"error": str(self)}, indent=4, ensure_ascii=False)
        return FinalResponse(body.encode(errors="replace"), self.headers(), self.status)


class InvalidArgumentError(TfServingError):
    """Raised when a request is malformed, or asks for what a model does not do."""

    status = 400


class ServableNotFoundError(TfServingError):
    """Raised when there is no such model or version."""

    status = 404
