"""What an operator may ask of a running host: changes to a model's control document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.operations import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model_store import Change, Store
    from model_store.operations.guards import Author


class CommandError(Exception):
    """Raised when a request makes no sense; the text says why."""


class AdminCommand(BaseModel):
    """A request, its fields checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: str
    model: str
    by: str
    reason: str | None = None
    version: int | None = None
    label: str | None = None
    percent: float | None = None
    sticky_header: str | None = None
    policy: str | None = None
    force: bool = False

    @classmethod
    def read(cls, request: Mapping[str, Any]) -> AdminCommand:
        """Check a request.

        Raises:
            CommandError: If a field is missing, unknown or of another kind.
        """
        try:
            return cls.model_validate(dict(request))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise CommandError(f"field {field}: {first['msg']}") from exc

    def need(self, field: str) -> Any:
        """Give a field that the action takes.

        Raises:
            CommandError: If it is not given.
        """
        value = getattr(self, field)
        if value is None:
            raise CommandError(f"field {field}: {self.action} needs one")
        return value

    @property
    def author(self) -> Author:
        """Who asks, and why."""
        return {"by": self.by, "reason": self.reason}

    def as_dict(self, *fields: str) -> dict[str, Any]:
        """Pick fields that are given."""
        return {field: value for field in fields if (value := getattr(self, field)) is not None}


def execute(store: Store, command: AdminCommand, policy: str) -> Change:
    """Change a model's control document as asked.

    Args:
        store: Where it is.
        command: What is asked.
        policy: The model's version policy by the service's setting.

    Raises:
        OrderError: If there is no such action, or it lacks a field.
        StoreError: If it is refused.
    """
    act = _ACTIONS.get(command.action)
    if act is None:
        raise CommandError(f"field action: {command.action!r} is none of {', '.join(_ACTIONS)}")
    return act(store, command, policy)


def _promote(store: Store, command: AdminCommand, policy: str) -> Change:
    version = command.need("version")
    return operations.promote(
        store, command.model, version, force=command.force, policy=policy, **command.author
    )


def _rollback(store: Store, command: AdminCommand, policy: str) -> Change:
    return operations.rollback(
        store, command.model, command.version, policy=policy, **command.author
    )


def _pin(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.pin(store, command.model, command.need("version"), **command.author)


def _unpin(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.unpin(store, command.model, **command.author)


def _quarantine(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.quarantine(store, command.model, command.need("version"), **command.author)


def _release(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.release(store, command.model, command.need("version"), **command.author)


def _label(store: Store, command: AdminCommand, _policy: str) -> Change:
    name = command.need("label")
    return operations.label(
        store, command.model, name, command.version, force=command.force, **command.author
    )


def _canary(store: Store, command: AdminCommand, _policy: str) -> Change:
    which = command.as_dict("version", "label", "sticky_header")
    percent = command.need("percent")
    return operations.canary(
        store, command.model, percent, force=command.force, **which, **command.author
    )


def _shadow(store: Store, command: AdminCommand, _policy: str) -> Change:
    which = command.as_dict("version", "label")
    percent = command.need("percent")
    return operations.shadow(
        store, command.model, percent, force=command.force, **which, **command.author
    )


def _policy(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.policy(store, command.model, command.policy, **command.author)


def _unload(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.unload(store, command.model, **command.author)


def _load(store: Store, command: AdminCommand, _policy: str) -> Change:
    return operations.load(store, command.model, **command.author)


_ACTIONS: dict[str, Callable[[Store, AdminCommand, str], Change]] = {
    "load": _load,
    "unload": _unload,
    "promote": _promote,
    "rollback": _rollback,
    "pin": _pin,
    "unpin": _unpin,
    "quarantine": _quarantine,
    "release": _release,
    "label": _label,
    "canary": _canary,
    "shadow": _shadow,
    "policy": _policy,
}
