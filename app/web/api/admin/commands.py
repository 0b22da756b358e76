"""Read an operator's command from the JSON body of a request."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from model_store.base.validation import first_error

_MOST_QUOTED = 80

AnyCommand = TypeVar("AnyCommand", bound=BaseModel)


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
