"""Read an operator's command from the JSON body of a request."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.web.http.errors import BadInputError

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
        first = exc.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        sentence = f"field {field}: " if field else "the body: "
        sentence += first["msg"][0].lower() + first["msg"][1:]
        if first["type"] in ("missing", "extra_forbidden"):
            sentence += f"; it takes {', '.join(sorted(kind.model_fields))}"
        elif field:
            sentence += f" (found {str(first['input'])[:_MOST_QUOTED]!r})"
        details = {"field": field} if field else {}
        raise BadInputError(sentence, retry_after_s=None, **details) from None
