"""What every kind of store does with a model's generations, wherever they lie."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Unpack

from model_store.base.errors import InvalidDocumentError, StoreError
from model_store.control.document import MAX_GENERATION, Audit, Change, Control, append

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

log = logging.getLogger(__name__)

DIGITS = len(str(MAX_GENERATION))


class History(ABC):
    """The control document of one model, and its mirror for other tools, labels.json.

    The mirror counts only where there is no generation.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def control(self) -> Control:
        """Return the newest control document."""
        last = self.newest()
        return last.control if last else self._base()

    def change(
        self, action: str, edit: Callable[[Control], Control], **audit: Unpack[Audit]
    ) -> Change:
        """Apply an edit to the newest control document, then bring the mirror up to date."""
        change = append(self, self._base, action, edit, self._now, **audit)
        self._reflect(change)
        return change

    @abstractmethod
    def newest(self) -> Change | None:
        """Read the last change.

        Raises:
            InvalidDocumentError: If it is broken; names the place and the field.
        """

    @abstractmethod
    def all(self) -> list[Change]:
        """Read every change, oldest first."""

    @abstractmethod
    def create(self, change: Change) -> bool:
        """Write a change durably; False where its generation is there already."""

    @property
    @abstractmethod
    def mirror(self) -> object:
        """Where the mirror is, for messages."""

    @abstractmethod
    def _mirrored(self) -> dict[str, int]:
        """Read the mirror; one that is not there has no labels."""

    @abstractmethod
    def _write_mirror(self, labels: dict[str, int]) -> None:
        """Replace the mirror."""

    def _base(self) -> Control:
        return Control(labels=self._mirrored())

    def _reflect(self, change: Change) -> None:
        """Write the mirror; a failure is no reason to call the change failed.

        Whoever wrote it looks for a newer change afterwards, and writes that one's labels, so that
        the newest stay.
        """
        try:
            while True:
                self._write_mirror(change.control.labels)
                newest = self.newest()
                if newest is None or newest.generation <= change.generation:
                    return
                change = newest
        except (OSError, StoreError) as exc:
            log.warning("%s could not be updated with the newest labels: %s", self.mirror, exc)


def require_generation(where: Path | str, change: Change, number: int) -> Change:
    """Refuse a generation that lies under another's name: the next one's number follows from it.

    Raises:
        InvalidDocumentError: If it does.
    """
    if change.generation != number:
        problem = f"must be {number}, as the name says (found {change.generation})"
        raise InvalidDocumentError(where, "generation", problem)
    return change
