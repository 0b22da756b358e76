"""OpenAPI of models, versions and the admin commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.openapi.common import TOKEN
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import (
    NULL,
    NUMBER,
    STRING,
    VERSION,
    either,
    list_of,
    of_model,
    record,
    share_schema,
    version_schema,
    with_parts,
)
from model_store.control.document import Change
from model_store.operations.commands import COMMANDS, AdminCommand

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts

Json = dict[str, Any]

TAG = "Models"
CHANGES = "Changes"
_CHANGE = "POST /models/<name>/<action>"


def operations(_facts: Facts) -> list[Operation]:
    """Describe the routes below /models that do not predict."""
    models = response("Every model.", json_of(component("Models")))
    model = response("The model.", json_of(component("NamedModel")))
    version = response("The version.", json_of(component("NamedVersion")))
    return [
        Operation(route="GET /models", name="models", tag=TAG, responses={200: models}),
        Operation(
            route="GET /models/<name>",
            name="model",
            tag=TAG,
            responses={200: model},
            errors=(404, 503),
        ),
        Operation(
            route="GET /models/<name>/versions/<version>",
            name="version",
            tag=TAG,
            responses={200: version},
            errors=(404, 503),
        ),
        *map(_change, COMMANDS.values()),
    ]


def _change(kind: type[AdminCommand]) -> Operation:
    action = kind.action
    body: Json = {"content": json_of(component(_name(action)), example=kind.example)}
    body["required"] = any(field.is_required() for field in kind.model_fields.values())
    made = response("The change's audit line.", json_of(component("Change")))
    return Operation(
        route=_CHANGE,
        path=f"/models/{{name}}/{action}",
        name=f"{action}Model",
        tag=CHANGES,
        summary=kind.summary,
        body=body,
        responses={200: made},
        errors=(400, 401, 403, 404, 408, 409, 413, 503, 504),
        security=TOKEN,
    )


def _name(action: str) -> str:
    return f"{action.capitalize()}Order"


def schemas(_facts: Facts) -> dict[str, Json]:
    """Describe models, versions, shares of traffic and changes."""
    commands = {_name(action): of_model(kind) for action, kind in COMMANDS.items()}
    trouble = {"store_trouble": either(STRING, NULL)}
    model = record(
        {
            "name": STRING,
            "ready": {"type": "boolean"},
            "reason": either(STRING, NULL) | {"description": "Why it is not ready."},
            "default_version": either(VERSION, NULL),
            "policy": STRING,
            "pinned": either(VERSION, NULL),
            "labels": {"type": "object", "additionalProperties": VERSION},
            "traffic": component("Traffic"),
            "versions": list_of(component("Version"), description="Newest first."),
        }
    )
    version = version_schema()
    of_name = {
        "model": STRING,
        "default": {"type": "boolean"},
        "pinned": {"type": "boolean"},
        "labels": list_of(STRING),
        "traffic": record(_traffic(), *_traffic()),
    }
    whole = {"version": VERSION, "percent": NUMBER}
    return (
        commands
        | {
            "Version": version,
            "Share": share_schema(),
            "WholeShare": record(whole),
            "Traffic": record({side: either(share, NULL) for side, share in _traffic().items()}),
            "Model": model,
            "Models": record({"default": STRING, "models": list_of(component("Model")), **trouble}),
            "NamedModel": model | {"properties": model["properties"] | trouble},
            "NamedVersion": version
            | {
                "properties": version["properties"] | of_name,
                "required": [*version["required"], *of_name],
            },
        }
        | with_parts("Change", Change)
    )


def _traffic() -> dict[str, Json]:
    share = component("Share")
    return {"default": component("WholeShare"), "canary": share, "shadow": share}
