"""Answers as JSON."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response


def json_response(document: dict[str, Any] | list[Any], status: int = 200) -> Response:
    """Create a JSON response."""
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, mimetype="application/json")
