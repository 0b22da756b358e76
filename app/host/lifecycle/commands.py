"""What an operator may ask of a running host: changes to a model's control document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.operations import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model_store import Change, Store
    from model_store.operations.guards import Author


class OrderError(Exception):
    """Raised when a request makes no sense; the text says why."""


class Order(BaseModel):
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
    def read(cls, request: Mapping[str, Any]) -> Order:
        """Check a request.

        Raises:
            OrderError: If a field is missing, unknown or of another kind.
        """
        try:
            return cls.model_validate(dict(request))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise OrderError(f"field {field}: {first['msg']}") from exc

    def need(self, field: str) -> Any:
        """Give a field that the action takes.

        Raises:
            OrderError: If it is not given.
        """
        value = getattr(self, field)
        if value is None:
            raise OrderError(f"field {field}: {self.action} needs one")
        return value

    @property
    def author(self) -> Author:
        """Who asks, and why."""
        return {"by": self.by, "reason": self.reason}

    def as_dict(self, *fields: str) -> dict[str, Any]:
        """Pick fields that are given."""
        return {field: value for field in fields if (value := getattr(self, field)) is not None}


def carry_out(store: Store, order: Order, policy: str) -> Change:
    """Change a model's control document as asked.

    Args:
        store: Where it is.
        order: What is asked.
        policy: The model's version policy by the service's setting.

    Raises:
        OrderError: If there is no such action, or it lacks a field.
        StoreError: If it is refused.
    """
    act = _ACTIONS.get(order.action)
    if act is None:
        raise OrderError(f"field action: {order.action!r} is none of {', '.join(_ACTIONS)}")
    return act(store, order, policy)


def _promote(store: Store, order: Order, policy: str) -> Change:
    version = order.need("version")
    return operations.promote(
        store, order.model, version, force=order.force, policy=policy, **order.author
    )


def _rollback(store: Store, order: Order, policy: str) -> Change:
    return operations.rollback(store, order.model, order.version, policy=policy, **order.author)


def _pin(store: Store, order: Order, _policy: str) -> Change:
    return operations.pin(store, order.model, order.need("version"), **order.author)


def _unpin(store: Store, order: Order, _policy: str) -> Change:
    return operations.unpin(store, order.model, **order.author)


def _quarantine(store: Store, order: Order, _policy: str) -> Change:
    return operations.quarantine(store, order.model, order.need("version"), **order.author)


def _release(store: Store, order: Order, _policy: str) -> Change:
    return operations.release(store, order.model, order.need("version"), **order.author)


def _label(store: Store, order: Order, _policy: str) -> Change:
    name = order.need("label")
    return operations.label(
        store, order.model, name, order.version, force=order.force, **order.author
    )


def _canary(store: Store, order: Order, _policy: str) -> Change:
    which = order.as_dict("version", "label", "sticky_header")
    percent = order.need("percent")
    return operations.canary(
        store, order.model, percent, force=order.force, **which, **order.author
    )


def _shadow(store: Store, order: Order, _policy: str) -> Change:
    which = order.as_dict("version", "label")
    percent = order.need("percent")
    return operations.shadow(
        store, order.model, percent, force=order.force, **which, **order.author
    )


def _policy(store: Store, order: Order, _policy: str) -> Change:
    return operations.policy(store, order.model, order.policy, **order.author)


def _unload(store: Store, order: Order, _policy: str) -> Change:
    return operations.unload(store, order.model, **order.author)


def _load(store: Store, order: Order, _policy: str) -> Change:
    return operations.load(store, order.model, **order.author)


_ACTIONS: dict[str, Callable[[Store, Order, str], Change]] = {
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
