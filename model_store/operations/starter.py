"""The starter model that comes with the package, for a store that is still empty."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.base.errors import PublishError

if TYPE_CHECKING:
    from model_store.stores.protocol import Store

log = logging.getLogger(__name__)

STARTER = Path(__file__).parents[1] / "starter"


def seed(store: Store, model: str) -> int | None:
    """Copy the starter version into a store that has never been used.

    A store whose versions are gone is none: that the starter answers in their place must not happen
    unseen.

    Returns:
        The version's number, or None where the store has been used or no starter has that name.
    """
    starters = sorted((STARTER / model).glob("[0-9]*"), key=lambda path: int(path.name))
    if not starters or store.versions(model):
        return None
    trace = store.find_trace(model)
    if trace is not None:
        log.warning(
            "%s holds no version of %s but has been used (%s), so the starter model is not put "
            "there; bring the versions back, or publish one with glyph train",
            store.location,
            model,
            trace,
        )
        return None
    try:
        return store.adopt(starters[-1], model)
    except PublishError:
        if store.versions(model):  # another process was faster
            return None
        raise
