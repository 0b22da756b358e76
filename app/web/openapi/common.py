"""Schemas that several APIs share."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from app.web.http.request_body import LONGEST_TIMEOUT_MS, TIMEOUT_HEADER
from app.web.inputs.layout import layouts
from app.web.openapi.schemas import STRING, list_of

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts, Shape

Json = dict[str, Any]

TOKEN: tuple[dict[str, list[str]], ...] = ({"adminToken": []},)
"""What an operation needs that changes something."""
REFUSED = (400, 404, 406, 408, 413, 415, 429, 500, 503, 504)
TIMEOUT: Json = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "How long the caller waits, in milliseconds.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT_MS},
}
REQUEST_ID: Json = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Echoed and logged, if it is up to 128 letters, digits and any of `._:-`.",
    "schema": STRING,
}
_PIXEL: Json = {"type": "integer", "minimum": 0, "maximum": 255}


def image_forms(shapes: tuple[Shape, ...]) -> list[Json]:
    """Describe every layout that an image of these shapes may have in JSON."""
    return [
        reduce(list_of, reversed(layout), _PIXEL) for shape in shapes for layout in layouts(shape)
    ]


def example_of(facts: Facts) -> Json:
    """Return a golden image as an example, if there is one."""
    return {} if facts.image is None else {"example": {"instances": [facts.image]}}
