"""A model's control document as objects: <model>/control/<generation>.json.

Beside it lies a mirror for other tools, labels.json; it counts only where there is no generation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from model_store.base.errors import InvalidDocumentError
from model_store.base.json_documents import dump, parse_document
from model_store.control.document import CONTROL, Change
from model_store.control.history import DIGITS, History, require_generation
from model_store.control.labels import LABELS, Labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from model_store.stores.objects import Objects, Stored


class BucketHistory(History):
    """Reads and changes the control document of one model."""

    def __init__(self, objects: Objects, model: str, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._objects = objects
        self._directory = f"{model}/{CONTROL}"
        self._mirror = f"{model}/{LABELS}"
        self._seen: tuple[Stored, Change] | None = None
        """The newest that was read, since a look needs no more than a listing to know it again."""

    @property
    def mirror(self) -> str:
        """The object's key."""
        return self._mirror

    def newest(self) -> Change | None:
        """Read the last change, unless it is the one that was read last."""
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
        key, data = self._key(f"{change.generation:0{DIGITS}d}.json"), dump(change).encode()
        # Where an answer got lost, what is there is this change: its time tells it from others'.
        return self._objects.create(key, data) or self._objects.read(key) == data

    def _mirrored(self) -> dict[str, int]:
        data = self._objects.read(self._mirror)
        if data is None:
            return {}
        return parse_document(self._objects.at(self._mirror), data, Labels).root

    def _write_mirror(self, labels: dict[str, int]) -> None:
        self._objects.put(self._mirror, dump(Labels(labels)).encode())

    def _listed(self) -> dict[str, Stored]:
        names = self._objects.listing(self._directory).items()
        return {name: stored for name, stored in names if stored and _NAME.fullmatch(name)}

    def _parse(self, name: str, data: bytes | None) -> Change:
        where = self._objects.at(self._key(name))
        if data is None:
            raise InvalidDocumentError(where, None, "is gone, though a generation stays for ever")
        return require_generation(where, parse_document(where, data, Change), int(name[:DIGITS]))

    def _key(self, name: str) -> str:
        return f"{self._directory}/{name}"


_NAME = re.compile(rf"[0-9]{{{DIGITS}}}\.json")
