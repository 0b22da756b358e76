"""What every kind of store does alike, wherever the versions lie."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from model_store.base.errors import StoreError, VersionNotFoundError, printable
from model_store.base.names import MODEL_NAME_PATTERN, require_model_name
from model_store.control.document import CONTROL
from model_store.control.labels import LABELS
from model_store.version.numbers import parse_version

if TYPE_CHECKING:
    from model_store.control.document import Control


class StoreBase(ABC):
    """Answers from a store's versions and its control documents."""

    @abstractmethod
    def versions(self, model: str) -> list[int]:
        """Number every whole version of a model, oldest first; a model unknown has none."""

    @abstractmethod
    def control(self, model: str) -> Control:
        """Return the control document of a model; one that was never changed has the defaults."""

    @abstractmethod
    def _names(self, key: str) -> list[str]:
        """Name what lies right below a folder of the store; one that is not there has nothing."""

    def find_trace(self, model: str) -> str | None:
        """Return a place that shows that the store has been used; None if it never was.

        That is anything below the model's name, or the versions, the control documents or the
        labels of another model.
        """
        require_model_name(model)
        for name in self._names(model):
            return printable(f"{model}/{name}")
        for other in self._names(""):
            if re.fullmatch(MODEL_NAME_PATTERN, other):
                for name in self._names(other):
                    if name in (CONTROL, LABELS) or parse_version(name):
                        return printable(f"{other}/{name}")
        return None

    def latest(self, model: str) -> int | None:
        """Return the greatest version, or None where there is none."""
        return max(self.versions(model), default=None)

    def _refuse_held(self, model: str, version: int) -> None:
        """Refuse to remove a version that is pinned or labelled."""
        held = self.control(model).holds(version)
        if held:
            raise StoreError(f"{model} version {version} is {held}; it stays")

    def _unknown(self, model: str, version: int) -> VersionNotFoundError:
        """Return an error that lists the versions there are in place of an unknown one."""
        have = ", ".join(map(str, self.versions(model))) or "none"
        return VersionNotFoundError(f"{model} has no version {version} (it has: {have})")
