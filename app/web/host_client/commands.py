"""Operators' commands: read from the JSON body of a request, and executed by the model host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.web.http.environ import REQUEST_ID, STARTED
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, ConflictError, DeadlineError, StoreAwayError
from app.web.http.request_body import read_body, request_timeout_s
from model_store.base.validation import first_error
from model_store.operations.admin_request import AdminRequest

if TYPE_CHECKING:
    from app.web.host_client.blocking import BlockingHost
    from model_store.operations.commands import AdminCommand

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_MS = 30_000
"""The host executes a command between two trials of versions, which take seconds."""
_MAX_BODY_BYTES = 16 * 1024
_MOST_QUOTED = 80
_STORE_RETRY_S = 5

AnyCommand = TypeVar("AnyCommand", bound=BaseModel)
Environ = dict[str, Any]


def read_command_body(environ: Environ, kind: type[AnyCommand]) -> AnyCommand:
    """Read the body of a request.

    Raises:
        ServiceError: If it is not what is expected; the class says why.
    """
    request_timeout_s(environ, COMMAND_TIMEOUT_MS)
    body = read_body(environ, _MAX_BODY_BYTES, "an order is a few fields")
    return read_command(body, kind)


def read_command(body: bytes, kind: type[AnyCommand]) -> AnyCommand:
    """Read and check a JSON object; an empty body is an empty object.

    Raises:
        BadInputError: If it is none, or a field is wrong; names the field, what was found and what
            is expected.
    """
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as exc:
        first = first_error(exc)
        field = first.field
        message = f"field {field}: {first.phrase}" if field else f"the body: {first.phrase}"
        if first.kind in ("missing", "extra_forbidden"):
            message += f"; it takes {', '.join(sorted(kind.model_fields))}"
        elif field:
            message += f" (found {str(first.found)[:_MOST_QUOTED]!r})"
        details = {"field": field} if field else {}
        malformed = first.kind == "json_invalid"
        code = ErrorCode.REQUEST_MALFORMED_JSON if malformed else ErrorCode.REQUEST_MALFORMED
        raise BadInputError(message, code=code, retry_after_s=None, **details) from None


def execute(
    channel: BlockingHost, environ: Environ, model: str, command: AdminCommand
) -> dict[str, Any]:
    """Send a command to the model host; return its audit line.

    Args:
        channel: Calls the model host.
        environ: That of the request for it, for its deadline and its address.
        model: Name of the model.
        command: What to do.

    Raises:
        ConflictError: If it is refused.
        StoreAwayError: If the store cannot be read or written now.
        ServiceError: If the host is away, or does not answer in time.
    """
    deadline = environ[STARTED] + request_timeout_s(environ, COMMAND_TIMEOUT_MS)
    by = f"{command.by or 'http'}@{environ.get('REMOTE_ADDR', 'unknown')}"
    try:
        outcome = channel.admin(AdminRequest(model, by, command).as_dict(), deadline)
    except DeadlineError:
        message = "the model host has not answered in time; the change may still be made"
        raise DeadlineError(f"{message}; see GET /models/{model}") from None
    if outcome.get("unavailable"):
        raise StoreAwayError(outcome["error"], retry_after_s=_STORE_RETRY_S)
    if not outcome["ok"]:
        raise ConflictError(outcome["error"])
    log.info("%s of %s by %s", command.action, model, by, extra={"request_id": environ[REQUEST_ID]})
    change: dict[str, Any] = outcome["change"]
    return change
