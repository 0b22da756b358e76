"""OpenAPI of the service itself: health, metrics and documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.openapi.error_responses import headers
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import NULL, STRING, VERSION, either, error_schema, list_of, record

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts

Json = dict[str, Any]

TAG = "Service"


def operations(_facts: Facts) -> list[Operation]:
    """Describe the routes for operators and for documentation."""
    text = {"schema": STRING}
    unready = response("It does not, and why.", json_of(component("Unready")))
    return [
        Operation(
            route="GET /",
            name="front",
            tag=TAG,
            responses={
                200: response(
                    "By `Accept`: JSON for programs, or the page for people.",
                    json_of(component("Front")) | {"text/html": text},
                )
            },
        ),
        Operation(
            route="GET /healthz",
            name="healthy",
            tag=TAG,
            responses={200: response("It does.", json_of(record({"status": {"const": "alive"}})))},
        ),
        Operation(
            route="GET /readyz",
            name="ready",
            tag=TAG,
            responses={
                200: response("One does.", json_of(component("Ready"))),
                503: unready | {"headers": headers("Retry-After")},
            },
        ),
        Operation(
            route="GET /metrics",
            name="metrics",
            tag=TAG,
            responses={200: response("Of web workers and model host.", {"text/plain": text})},
        ),
        Operation(
            route="GET /openapi.json",
            name="description",
            tag=TAG,
            responses={200: response("OpenAPI 3.1.", json_of({"type": "object"}))},
        ),
        Operation(
            route="GET /docs",
            name="docs",
            tag=TAG,
            responses={200: response("For people.", {"text/html": text})},
        ),
    ]


def schemas(_facts: Facts) -> dict[str, Json]:
    """Describe the responses."""
    brief = record({"name": STRING, "version": either(VERSION, NULL)})
    about = {
        "model": STRING,
        "versions": list_of(component("Version")),
        "store_trouble": either(STRING, NULL),
    }
    return {
        "Front": record(
            {
                "service": {"const": "glyph"},
                "model": brief,
                "models": list_of(brief),
                "routes": {"type": "object", "additionalProperties": STRING},
            }
        ),
        "Ready": record({"status": {"const": "ready"}, **about}),
        "Unready": record({**error_schema()["properties"], **about}),
    }
