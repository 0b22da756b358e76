"""The repository extension of the Open Inference Protocol: index, load and unload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from pydantic import ConfigDict, Field

from app.web.host_client.commands import COMMAND_TIMEOUT_MS, execute, read_command_body
from app.web.http.admin_token import check_token
from app.web.http.environ import STARTED
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, NotReadyError
from app.web.http.request_body import request_timeout_s
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model
from model_store.base.null_fields import NullIsMissing
from model_store.operations.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.ipc.status import ModelStatus, State
    from app.web.host_client.blocking import BlockingHost

STATES: dict[State, str] = {
    "serving": "READY",
    "loading": "LOADING",
    "retiring": "UNLOADING",
    "refused": "UNAVAILABLE",
}
_POLL_EVERY_S = 0.05
_POLLS = 40
"""How often a model that is to be loaded may be found neither loaded nor loading."""


PARAMETERS: dict[str, tuple[str, ...]] = {
    "load": (),
    "unload": ("unload_dependents",),  # no model has any
}
"""What each action takes."""


class Index(NullIsMissing):
    """The body of an index request."""

    model_config = ConfigDict(extra="ignore", strict=True)

    ready: bool = False
    """Only models that are ready."""


class Parameters(NullIsMissing):
    """The body of a load or an unload, which may be missing."""

    model_config = ConfigDict(extra="ignore", strict=True)

    parameters: dict[str, Any] = Field(default_factory=dict)


def repository_blueprint(
    channel: BlockingHost, token: str | None, pause: Callable[[float], object] = time.sleep
) -> Blueprint:
    """Build the routes.

    Args:
        channel: Calls the model host.
        token: What a request that changes something must carry; None turns those off.
        pause: Waits for so many seconds.
    """
    blueprint = Blueprint("repository", __name__, url_prefix="/v2/repository")

    @blueprint.post("/index")
    def index() -> Response:
        only_ready = read_command_body(request.environ, Index).ready
        entries = [entry for model in channel.status.models for entry in _entries(model)]
        return json_response(
            [entry for entry in entries if not only_ready or entry["state"] == "READY"]
        )

    @blueprint.post("/models/<name>/load")
    def load(name: str) -> Response:
        _change(name, "load")
        deadline = request.environ[STARTED] + request_timeout_s(request.environ, COMMAND_TIMEOUT_MS)
        _wait_for(name, deadline)
        return Response(status=200)

    @blueprint.post("/models/<name>/unload")
    def unload(name: str) -> Response:
        _change(name, "unload")
        return Response(status=200)

    def _change(name: str, action: str) -> None:
        check_token(request.environ, token)
        find_model(channel.status, name)
        body = read_command_body(request.environ, Parameters)
        for parameter, value in body.parameters.items():
            if value is not None and parameter not in PARAMETERS[action]:
                raise BadInputError(
                    f"parameter {parameter[:80]!r} is not one that {action} takes",
                    code=ErrorCode.REQUEST_PARAMETER,
                )
        command = COMMANDS[action](reason="asked for by the repository API")
        execute(channel, request.environ, name, command)

    def _wait_for(name: str, deadline: float) -> None:
        """Wait until a model that is being loaded serves, as clients of this protocol expect."""
        for _ in range(_POLLS):
            model = find_model(channel.status, name)
            if model.ready or model.starting:
                channel.serving(deadline, model=name)
                return
            pause(_POLL_EVERY_S)
        raise NotReadyError(model.reason or f"no version of {name} serves")

    return blueprint


def _entries(model: ModelStatus) -> Iterator[dict[str, str]]:
    for version in model.versions:
        yield {
            "name": model.name,
            "version": str(version.version),
            "state": STATES[version.state],
            "reason": version.reason or "",
        }
    if not model.versions:
        state = "LOADING" if model.starting else "UNAVAILABLE"
        yield {"name": model.name, "state": state, "reason": model.reason or ""}
