"""Joins the operations of all APIs into one OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from app.web.api.admin import openapi as admin
from app.web.api.native import openapi as native
from app.web.api.open_inference import openapi as open_inference
from app.web.api.open_inference import repository_openapi
from app.web.api.ops import openapi as ops
from app.web.api.tensorflow_serving import openapi as tensorflow_serving
from app.web.openapi.error_responses import ERRORS, HEADERS
from app.web.openapi.routes import ROUTES
from app.web.openapi.schemas import STRING, VERSION, error_schema
from app.web.openapi.security import SCHEMES, with_access

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts
    from app.web.openapi.operation import Operation

Json = dict[str, Any]

_FRONTS = (native, admin, tensorflow_serving, open_inference, repository_openapi, ops)
HERE = "."
"""The directory that the description was got from: below a path, if a proxy shows it there."""
_ABOUT = """\
Serves classifiers of small images. Every refusal is `{"error": "<sentence>", "code": "<name>"}`.
The sentence says which field or item, what was found, what is expected; programs act on the code.
Every answer has an `X-Request-Id`, which the log has too.
"""
_TAGS = {
    native.TAG: "Images in, classes and probabilities out.",
    admin.TAG: "What is here, in which state, and why.",
    admin.CHANGES: "What is decided about a model's versions. Needs the admin token.",
    tensorflow_serving.TAG: "Its REST API, for programs that were written for it.",
    open_inference.TAG: "The protocol of Triton, KServe and MLServer.",
    ops.TAG: "How it does.",
}


def operations(facts: Facts) -> list[Operation]:
    """Return all operations."""
    return [operation for front in _FRONTS for operation in front.operations(facts)]


def describe(facts: Facts) -> Json:
    """Return the whole document."""
    names = _names(facts)
    paths: dict[str, Json] = {}
    for operation in operations(facts):
        written = with_access(operation, operation.render(ROUTES, names), facts.bounds)
        paths.setdefault(operation.template, {})[operation.method] = written
    schemas = {"Error": error_schema()}
    for front in _FRONTS:
        schemas |= front.schemas(facts)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Glyph", "version": version("glyph"), "description": _ABOUT},
        "servers": [{"url": HERE}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {error.name: error.render() for error in ERRORS.values()},
            "headers": HEADERS,
            "securitySchemes": _security(facts),
        },
    }


def _names(facts: Facts) -> dict[str, Json]:
    """Describe the path parameters, with existing names as examples."""
    values = {
        "name": ("A model.", STRING, facts.model),
        "version": ("One of its versions.", VERSION, facts.version),
        "label": ("A label on one of its versions that serves.", STRING, facts.label),
    }
    return {
        name: {"name": name, "in": "path", "required": True, "description": about, "schema": schema}
        | ({} if example is None else {"example": example})
        for name, (about, schema, example) in values.items()
    }


def _security(facts: Facts) -> Json:
    state = "" if facts.bounds.changes else " This service has none: nothing can be changed."
    return {
        "adminToken": {
            "type": "http",
            "scheme": "bearer",
            "description": f"The admin token of the service.{state}",
        },
        **(SCHEMES if facts.bounds.keys else {}),
    }
