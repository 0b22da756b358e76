"""A model's control document as objects: <model>/control/<generation>.json.

Beside it lies a mirror for other tools, labels.json; it counts only where there is no generation.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Unpack

from model_store.control import CONTROL, Audit, Change, Control, append
from model_store.documents import dump, parse_document
from model_store.errors import InvalidDocumentError, StoreError
from model_store.labels import LABELS, Labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from model_store.objects import Objects, Stored

log = logging.getLogger(__name__)


class ObjectGenerations:
    """Reads and changes the control document of one model."""

    def __init__(self, objects: Objects, model: str, now: Callable[[], datetime]) -> None:
        self._objects = objects
        self._directory = f"{model}/{CONTROL}"
        self._mirror = f"{model}/{LABELS}"
        self._now = now
        self._seen: tuple[Stored, Change] | None = None
        """The newest that was read, since a look needs no more than a listing to know it again."""

    def control(self) -> Control:
        """Give the newest control document."""
        last = self.newest()
        return last.control if last else self._base()

    def change(
        self, action: str, edit: Callable[[Control], Control], **audit: Unpack[Audit]
    ) -> Change:
        """Apply an edit to the newest control document, then bring the mirror up to date."""
        change = append(self, self._base, action, edit, self._now, **audit)
        self._reflect(change)
        return change

    def newest(self) -> Change | None:
        """Read the last change.

        Raises:
            InvalidDocumentError: If it is broken; names the object and the field.
        """
        listed = self._listed()
        if not listed:
            return None
        name = max(listed)
        if self._seen is None or self._seen[0] != listed[name]:
            self._seen = listed[name], self._parse(name, self._objects.read(self._key(name)))
        return self._seen[1]

    def all(self) -> list[Change]:
        """Read every change, oldest first."""
        names = sorted(self._listed())
        contents = self._objects.read_all([self._key(name) for name in names])
        return [self._parse(name, data) for name, data in zip(names, contents, strict=True)]

    def create(self, change: Change) -> bool:
        """Write a change; False where its generation is there already."""
        key, data = self._key(f"{change.generation:08d}.json"), dump(change).encode()
        # Where an answer got lost, what is there is this change: its time tells it from others'.
        return self._objects.create(key, data) or self._objects.read(key) == data

    def _base(self) -> Control:
        data = self._objects.read(self._mirror)
        if data is None:
            return Control()
        return Control(labels=parse_document(self._objects.at(self._mirror), data, Labels).root)

    def _reflect(self, change: Change) -> None:
        """Write the mirror; a failure is no reason to call the change failed.

        Whoever wrote it looks for a newer change afterwards, and writes that one's labels, so that
        the newest stay.
        """
        try:
            while True:
                self._objects.put(self._mirror, dump(Labels(change.control.labels)).encode())
                newest = self.newest()
                if newest is None or newest.generation <= change.generation:
                    return
                change = newest
        except StoreError as exc:
            log.warning("%s does not show the newest labels: %s", self._mirror, exc)

    def _listed(self) -> dict[str, Stored]:
        names = self._objects.listing(self._directory).items()
        return {name: stored for name, stored in names if stored and _NAME.fullmatch(name)}

    def _parse(self, name: str, data: bytes | None) -> Change:
        where = self._objects.at(self._key(name))
        if data is None:
            raise InvalidDocumentError(where, None, "is gone, though a generation stays for ever")
        return parse_document(where, data, Change)

    def _key(self, name: str) -> str:
        return f"{self._directory}/{name}"


_NAME = re.compile(r"[0-9]{8}\.json")
