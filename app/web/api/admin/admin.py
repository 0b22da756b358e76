"""POST /models/<name>/<action>: changes to a model's versions, carried out by the model host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from app.web.api.admin.commands import AnyCommand, read_command
from app.web.http.admin_token import check_token
from app.web.http.environ import REQUEST_ID, STARTED
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import ConflictError, DeadlineError, NotFoundError, StoreAwayError
from app.web.http.request_body import read_body, request_timeout_s
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model
from model_store.operations.commands import COMMANDS, AdminCommand, AdminRequest

if TYPE_CHECKING:
    from flask import Response

    from app.web.host_client.blocking import BlockingHost

log = logging.getLogger(__name__)

TIMEOUT_MS = 30_000
"""The host looks at the store between trials of versions, which take seconds."""
_MAX_BODY_BYTES = 16 * 1024
_STORE_RETRY_S = 5


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
        return json_response(carry_out(channel, name, read_body_of(kind)))

    return blueprint


def read_body_of(kind: type[AnyCommand]) -> AnyCommand:
    """Read the body of the request that is being answered.

    Raises:
        ServiceError: If it is not what is expected; the class says why.
    """
    request_timeout_s(request.environ, TIMEOUT_MS)
    body = read_body(request.environ, _MAX_BODY_BYTES, "an order is a few fields")
    return read_command(body, kind)


def carry_out(channel: BlockingHost, name: str, command: AdminCommand) -> dict[str, Any]:
    """Send a command to the model host; return its audit line.

    Raises:
        ConflictError: If it is refused.
        StoreAwayError: If the store cannot be read or written now.
        ServiceError: If the host is away, or does not answer in time.
    """
    environ = request.environ
    deadline = environ[STARTED] + request_timeout_s(environ, TIMEOUT_MS)
    by = f"{command.by or 'http'}@{environ.get('REMOTE_ADDR', 'unknown')}"
    try:
        outcome = channel.admin(AdminRequest(name, by, command).as_dict(), deadline)
    except DeadlineError:
        message = "the model host has not answered in time; the change may still be made"
        raise DeadlineError(f"{message}; see GET /models/{name}") from None
    if outcome.get("unavailable"):
        raise StoreAwayError(outcome["error"], retry_after_s=_STORE_RETRY_S)
    if not outcome["ok"]:
        raise ConflictError(outcome["error"])
    log.info("%s of %s by %s", command.action, name, by, extra={"request_id": environ[REQUEST_ID]})
    change: dict[str, Any] = outcome["change"]
    return change
