"""POST /models/<name>/<action>: changes to a model's versions, executed by the model host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.web.host_client.commands import execute, read_command_body
from app.web.http.admin_token import check_token
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotFoundError
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model
from model_store.operations.commands import COMMANDS

if TYPE_CHECKING:
    from flask import Response

    from app.web.host_client.blocking import BlockingHost


def admin_blueprint(channel: BlockingHost, token: str | None) -> Blueprint:
    """Build the route.

    Args:
        channel: Calls the model host.
        token: What a request must carry; None turns the route off.
    """
    blueprint = Blueprint("admin", __name__)

    @blueprint.post("/models/<name>/<action>")
    def change(name: str, action: str) -> Response:
        check_token(request.environ, token)
        kind = COMMANDS.get(action)
        if kind is None:
            actions = ", ".join(COMMANDS)
            raise NotFoundError(
                f"there is no action {action[:80]!r}; actions: {actions}",
                code=ErrorCode.CONTROL_UNKNOWN_ACTION,
            )
        find_model(channel.status, name)
        command = read_command_body(request.environ, kind)
        return json_response(execute(channel, request.environ, name, command))

    return blueprint
