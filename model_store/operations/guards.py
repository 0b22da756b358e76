"""One operator's change: who, and on which conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from model_store.base.errors import StoreError
from model_store.control.document import whoami

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store.control.document import Change, Control
    from model_store.stores.protocol import Store


class Author(TypedDict, total=False):
    """Who changes something, and why; without `by` it is who runs this process."""

    by: str | None
    reason: str | None


def change(
    store: Store,
    model: str,
    action: str,
    edit: Callable[[Control], Control],
    *,
    version: int | None = None,
    label: str | None = None,
    **author: Unpack[Author],
) -> Change:
    """Apply an edit to a model's control document."""
    by, reason = author.get("by") or whoami(), author.get("reason")
    return store.change(model, action, edit, by=by, version=version, label=label, reason=reason)


def require_released(control: Control, model: str, version: int, digest: str | None) -> None:
    """Refuse a quarantined version."""
    if control.is_quarantined(version, digest):
        reason = control.quarantined[version].reason
        raise StoreError(f"{model} version {version} is quarantined ({reason}); release it first")


def require_passed(control: Control, model: str, version: int, digest: str | None) -> None:
    """Refuse a version that has not passed a trial as it is now."""
    require_released(control, model, version, digest)
    if digest is None or control.passed.get(version) != digest:
        raise StoreError(
            f"{model} version {version} has not passed a trial yet: a running service tries it "
            "when the policy, a pin or a label wants it; force it to do without"
        )
