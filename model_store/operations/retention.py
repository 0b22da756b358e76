"""Which versions of a model may be deleted, and deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_store.control.document import whoami
from model_store.operations.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Collection

    from model_store.control.document import Control
    from model_store.stores.protocol import Store


def plan(
    store: Store, model: str, keep: int, policy: str | None = None
) -> tuple[dict[int, list[str]], list[int]]:
    """Divide versions into those that must stay, each with the reasons, and those that may go.

    Args:
        store: Where the model is.
        model: Whose versions.
        keep: How many of the newest stay in any case.
        policy: The service's, which counts where the model has none of its own.
    """
    versions = store.versions(model)
    reasons = Evaluation(store, model, policy).needed()
    for version in versions[-keep:]:
        reasons.setdefault(version, []).append(f"among the newest {keep}")
    kept = {version: reasons[version] for version in versions if version in reasons}
    return kept, [version for version in versions if version not in reasons]


def clear(store: Store, model: str, doomed: Collection[int]) -> None:
    """Delete versions, and say so in the history.

    Raises:
        StoreError: If one was pinned or labelled in the meantime; it stays.
    """
    removed: list[int] = []
    try:
        for version in doomed:
            store.remove(model, version)
            removed.append(version)
    finally:
        if removed:
            _note(store, model, removed)


def _note(store: Store, model: str, removed: Collection[int]) -> None:
    def edit(control: Control) -> Control:
        return control.model_copy(
            update={
                "passed": {n: v for n, v in control.passed.items() if n not in removed},
                "quarantined": {n: v for n, v in control.quarantined.items() if n not in removed},
            }
        )

    reason = f"removed {', '.join(map(str, removed))}"
    store.change(model, "gc", edit, by=whoami(), reason=reason)
