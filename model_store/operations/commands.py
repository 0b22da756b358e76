"""The operator's actions as values, one class each: their fields, their checks, and their change.

The command line, the web side, the model host and the service's description all read this list;
it is long because it is one.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from model_store.base.integral_float import INTEGRAL_FLOAT
from model_store.base.null_fields import NullIsMissing
from model_store.control.document import HeaderName  # noqa: TC001 - pydantic needs it at run time
from model_store.control.labels import Label  # noqa: TC001 - likewise
from model_store.control.version_policy import PolicyText  # noqa: TC001 - likewise
from model_store.operations import operations

if TYPE_CHECKING:
    from model_store.control.document import Change
    from model_store.stores.protocol import Store

Version = Annotated[int, Field(ge=1, lt=10**18), INTEGRAL_FLOAT]
Percent = Annotated[float, Field(ge=0, le=100)]
Author = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+@-]{1,64}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a command changes, and the author of the change."""

    store: Store
    model: str
    policy: str
    """The model's version policy by the service's setting."""
    by: str


class AdminCommand(NullIsMissing):
    """Fields that every action takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: ClassVar[str]
    summary: ClassVar[str]
    """The effect, in one line."""
    example: ClassVar[dict[str, Any]]
    """Fields of one such command."""

    by: Author | None = None
    """Who orders it; the audit line has the address as well."""
    reason: Reason | None = None

    @abstractmethod
    def apply(self, target: Target) -> Change:
        """Change the model's control document.

        Raises:
            StoreError: If the change is refused, or the store fails.
        """


class Promote(AdminCommand):
    """Make a version the default one and `stable`."""

    action = "promote"
    summary = (
        "make a version the default one, and stable; it must have passed its trial, unless forced"
    )
    example: ClassVar = {"version": 1, "reason": "as good, and smaller"}

    version: Version
    force: bool = False
    """Even if it did not pass a trial."""

    def apply(self, target: Target) -> Change:
        return operations.promote(
            target.store,
            target.model,
            self.version,
            force=self.force,
            policy=target.policy,
            by=target.by,
            reason=self.reason,
        )


class Rollback(AdminCommand):
    """Go back, by default to the version before."""

    action = "rollback"
    summary = "go back to a version, or to the one before, and pin it"
    example: ClassVar = {"reason": "sevens are taken for ones", "by": "anna"}

    version: Version | None = None

    def apply(self, target: Target) -> Change:
        return operations.rollback(
            target.store,
            target.model,
            self.version,
            policy=target.policy,
            by=target.by,
            reason=self.reason,
        )


class Pin(AdminCommand):
    """Keep a version the default one."""

    action = "pin"
    summary = "keep a version the default one, whatever is published"
    example: ClassVar = {"version": 1}

    version: Version

    def apply(self, target: Target) -> Change:
        return operations.pin(
            target.store, target.model, self.version, by=target.by, reason=self.reason
        )


class Unpin(AdminCommand):
    """Let the policy choose the default version again."""

    action = "unpin"
    summary = "let the policy choose again"
    example: ClassVar = {}

    def apply(self, target: Target) -> Change:
        return operations.unpin(target.store, target.model, by=target.by, reason=self.reason)


class Quarantine(AdminCommand):
    """Keep a version from being loaded."""

    action = "quarantine"
    summary = "keep a version from being loaded"
    example: ClassVar = {"version": 1, "reason": "confuses 4 and 9"}

    version: Version

    def apply(self, target: Target) -> Change:
        return operations.quarantine(
            target.store, target.model, self.version, by=target.by, reason=self.reason
        )


class Release(AdminCommand):
    """Let a version be tried again."""

    action = "release"
    summary = "let a version be tried again"
    example: ClassVar = {"version": 1, "reason": "it was the camera"}

    version: Version

    def apply(self, target: Target) -> Change:
        return operations.release(
            target.store, target.model, self.version, by=target.by, reason=self.reason
        )


class PointLabel(AdminCommand):
    """Point a label at a version; null takes the label away."""

    action = "label"
    summary = "point a label at a version; null takes the label away"
    example: ClassVar = {"label": "candidate", "version": 1}

    label: Label
    version: Version | None
    force: bool = False

    def apply(self, target: Target) -> Change:
        return operations.label(
            target.store,
            target.model,
            self.label,
            self.version,
            force=self.force,
            by=target.by,
            reason=self.reason,
        )


class Split(AdminCommand):
    """Route a share of the requests to a label's version; 0 percent ends it."""

    percent: Percent
    version: Version | None = None
    """Where the label is to point from now on."""
    force: bool = False


class StartCanary(Split):
    """A share of the traffic that callers see answered by it."""

    action = "canary"
    summary = "send so much of the requests for the default version to another one; 0 ends it"
    example: ClassVar = {"percent": 10, "version": 1, "sticky_header": "X-User"}

    label: Label = "canary"
    sticky_header: HeaderName | None = None

    def apply(self, target: Target) -> Change:
        return operations.canary(
            target.store,
            target.model,
            self.percent,
            self.version,
            label=self.label,
            sticky_header=self.sticky_header,
            force=self.force,
            by=target.by,
            reason=self.reason,
        )


class StartShadow(Split):
    """A share that nobody sees."""

    action = "shadow"
    summary = "have a version compute so many requests as well, unseen; 0 ends it"
    example: ClassVar = {"percent": 25, "version": 1}

    label: Label = "shadow"

    def apply(self, target: Target) -> Change:
        return operations.shadow(
            target.store,
            target.model,
            self.percent,
            self.version,
            label=self.label,
            force=self.force,
            by=target.by,
            reason=self.reason,
        )


class SetPolicy(AdminCommand):
    """Decide which versions are loaded; null leaves it to the service's setting."""

    action = "policy"
    summary = "decide which versions are loaded; null leaves it to the service's setting"
    example: ClassVar = {"policy": "latest:2"}

    policy: PolicyText | None

    def apply(self, target: Target) -> Change:
        return operations.policy(
            target.store, target.model, self.policy, by=target.by, reason=self.reason
        )


class Load(AdminCommand):
    """Load an unloaded model again."""

    action = "load"
    summary = "load an unloaded model again"
    example: ClassVar = {}

    def apply(self, target: Target) -> Change:
        return operations.load(target.store, target.model, by=target.by, reason=self.reason)


class Unload(AdminCommand):
    """Load no version of a model."""

    action = "unload"
    summary = "load no version of a model"
    example: ClassVar = {"reason": "to make room"}

    def apply(self, target: Target) -> Change:
        return operations.unload(target.store, target.model, by=target.by, reason=self.reason)


COMMANDS: dict[str, type[AdminCommand]] = {
    command.action: command
    for command in (
        Promote,
        Rollback,
        Pin,
        Unpin,
        Quarantine,
        Release,
        PointLabel,
        StartCanary,
        StartShadow,
        SetPolicy,
        Load,
        Unload,
    )
}
"""Every action by its name."""
