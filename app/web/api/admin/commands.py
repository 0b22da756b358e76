"""What operators may order over HTTP, as JSON: which fields each action takes."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.web.http.errors import BadInputError
from app.web.http.integral_float import INTEGRAL_FLOAT
from app.web.http.null_fields import NullIsMissing
from model_store.control.document import HeaderName  # noqa: TC001 - pydantic needs it at run time
from model_store.control.labels import Label  # noqa: TC001 - likewise
from model_store.control.version_policy import PolicyText  # noqa: TC001 - likewise

Version = Annotated[int, Field(ge=1, lt=10**18), INTEGRAL_FLOAT]
Percent = Annotated[float, Field(ge=0, le=100)]
Who = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+@-]{1,64}$")]
Why = Annotated[str, StringConstraints(min_length=1, max_length=500)]

_MOST_QUOTED = 80


class AdminCommand(NullIsMissing):
    """What every action takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    by: Who | None = None
    """Who orders it; the audit line has the address as well."""
    reason: Why | None = None


class OfVersion(AdminCommand):
    """An action on one version."""

    version: Version


class Promote(OfVersion):
    """Make a version the default one and `stable`."""

    force: bool = False
    """Even if it did not pass a trial."""


class Rollback(AdminCommand):
    """Go back, by default to the version before."""

    version: Version | None = None


class PointLabel(AdminCommand):
    """Point a label at a version; null takes the label away."""

    label: Label
    version: Version | None
    force: bool = False


class Split(AdminCommand):
    """Give a label's version a share; 0 percent ends it."""

    percent: Percent
    version: Version | None = None
    """Where the label is to point from now on."""
    force: bool = False


class StartCanary(Split):
    """A share of the traffic that callers see answered by it."""

    label: Label = "canary"
    sticky_header: HeaderName | None = None


class StartShadow(Split):
    """A share that nobody sees."""

    label: Label = "shadow"


class SetPolicy(AdminCommand):
    """Decide which versions are loaded; null leaves it to the service's setting."""

    policy: PolicyText | None


COMMANDS: dict[str, type[AdminCommand]] = {
    "promote": Promote,
    "rollback": Rollback,
    "pin": OfVersion,
    "unpin": AdminCommand,
    "quarantine": OfVersion,
    "release": OfVersion,
    "label": PointLabel,
    "canary": StartCanary,
    "shadow": StartShadow,
    "policy": SetPolicy,
    "load": AdminCommand,
    "unload": AdminCommand,
}

AnyCommand = TypeVar("AnyCommand", bound=BaseModel)


def read_command(body: bytes, kind: type[AnyCommand]) -> AnyCommand:
    """Parse and check a JSON object; nothing at all is an empty one.

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
