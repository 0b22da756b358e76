"""API keys and rate limits in the document, if the service has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.middleware.public_paths import is_free, is_read_only
from app.web.openapi.error_responses import ERRORS

if TYPE_CHECKING:
    from app.web.openapi.live_values import Bounds
    from app.web.openapi.operation import Operation

Json = dict[str, Any]

SCHEMES: dict[str, Json] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, as `glyph keys create` makes it.",
    },
    "bearerKey": {"type": "http", "scheme": "bearer", "description": "The same key."},
}
_BY_KEYS = (401, 403, 503)
_BY_LIMITS = (429,)


def with_access(operation: Operation, written: Json, bounds: Bounds) -> Json:
    """Add the security requirement and its errors to a written operation."""
    if is_free(operation.template):
        return written
    by_key = bounds.keys and not operation.security
    statuses = (_BY_KEYS if by_key else ()) + (_BY_LIMITS if bounds.limits else ())
    added = {str(status): ERRORS[status].reference for status in statuses}
    written["responses"] = dict(sorted((added | written["responses"]).items()))
    if by_key:
        written["security"] = [{name: []} for name in SCHEMES]
        if bounds.changes and is_read_only(operation.method.upper(), operation.template):
            written["security"].append({"adminToken": []})
    return written
