"""OpenAPI of the repository extension of the Open Inference Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.api.open_inference.openapi import TAG
from app.web.api.open_inference.repository import PARAMETERS, STATES, Index
from app.web.openapi.common import TOKEN
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import NULL, STRING, either, list_of, of_model, record

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts

Json = dict[str, Any]


def operations(_facts: Facts) -> list[Operation]:
    """Describe the routes below /v2/repository."""
    return [
        Operation(
            route="POST /v2/repository/index",
            name="repositoryIndex",
            tag=TAG,
            body={"content": json_of(component("RepositoryIndex"), example={"ready": True})},
            responses={200: response("One entry for each.", json_of(component("Repository")))},
            errors=(400, 408, 413),
        ),
        _order("load", "It serves."),
        _order("unload", "It is to be unloaded."),
    ]


def _order(action: str, done: str) -> Operation:
    return Operation(
        route=f"POST /v2/repository/models/<name>/{action}",
        name=f"repository{action.capitalize()}",
        tag=TAG,
        body={"content": json_of(component(_name(action)), example={})},
        responses={200: {"description": done}},
        errors=(400, 401, 403, 404, 408, 409, 413, 429, 503, 504),
        security=TOKEN,
    )


def _name(action: str) -> str:
    return f"Repository{action.capitalize()}"


def _parameters(known: tuple[str, ...]) -> Json:
    """Describe the fields of a command, all of which may be missing or null."""
    fields: dict[str, Json] = {name: {} for name in known}
    parameters = record(fields, *known) | {"additionalProperties": NULL}
    return record({"parameters": either(parameters, NULL)}, "parameters")


def schemas(_facts: Facts) -> dict[str, Json]:
    """Describe the requests and the responses."""
    entry = {"name": STRING, "version": STRING, "state": {"enum": sorted(set(STATES.values()))}}
    return {
        "RepositoryIndex": of_model(Index),
        **{_name(action): _parameters(known) for action, known in PARAMETERS.items()},
        "Repository": list_of(record({**entry, "reason": STRING}, "version")),
    }
