"""The starter model that comes with the package, for a store that is still empty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model_store.errors import PublishError

if TYPE_CHECKING:
    from model_store.protocol import Store

STARTER = Path(__file__).parent / "starter"


def seed(store: Store, model: str) -> int | None:
    """Copy the starter version into a store that has none of this model.

    Returns:
        The version's number, or None where the store has versions or no starter has that name.
    """
    starters = sorted((STARTER / model).glob("[0-9]*"), key=lambda path: int(path.name))
    if not starters or store.versions(model):
        return None
    try:
        return store.adopt(starters[-1], model)
    except PublishError:
        if store.versions(model):  # another process was faster
            return None
        raise
