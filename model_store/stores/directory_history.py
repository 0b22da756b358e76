"""A model's control document in a local directory: <model>/control/<generation>.json.

Beside it lies a mirror for other tools, labels.json; it counts only where there is no generation.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

from model_store.base.json_documents import read_document, sync, write_document, write_new
from model_store.control.document import CONTROL, Change
from model_store.control.history import DIGITS, History, require_generation
from model_store.control.labels import LABELS, Labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path


class DirectoryHistory(History):
    """Reads and changes the control document of one model; needs no lock."""

    def __init__(self, model: Path, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._directory = model / CONTROL
        self._mirror = model / LABELS

    @property
    def mirror(self) -> Path:
        """The file."""
        return self._mirror

    def newest(self) -> Change | None:
        """Read the last change, of the file with the greatest number."""
        numbers = self._numbers()
        return self._read(numbers[-1]) if numbers else None

    def all(self) -> list[Change]:
        """Read every change, oldest first."""
        return [self._read(number) for number in self._numbers()]

    def create(self, change: Change) -> bool:
        """Write a change durably; return False where its generation is there already.

        A temporary file is linked to its name, which fails where the name is taken. Temporary files
        of killed processes are removed by the next process that creates a generation.
        """
        if not self._directory.is_dir():
            self._directory.mkdir(exist_ok=True)
            sync(self._directory.parent)
        target = self._path(change.generation)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            write_new(temporary, change)
            created = _link(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        if created:
            sync(self._directory)
            for leftover in self._directory.glob(".*"):
                if leftover.name[1 : 1 + DIGITS] <= target.name[:DIGITS]:  # it can only lose
                    leftover.unlink(missing_ok=True)
        return created

    def _mirrored(self) -> dict[str, int]:
        present = os.path.lexists(self._mirror)  # `exists` is false for a link that leads nowhere
        return read_document(self._mirror, Labels).root if present else {}

    def _write_mirror(self, labels: dict[str, int]) -> None:
        write_document(self._mirror, Labels(labels))

    def _numbers(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        names = (path.name for path in self._directory.iterdir())
        return sorted(
            int(n[:DIGITS]) for n in names if re.fullmatch(rf"[0-9]{{{DIGITS}}}\.json", n)
        )

    def _read(self, number: int) -> Change:
        change = read_document(self._path(number), Change)
        return require_generation(self._path(number), change, number)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:0{DIGITS}d}.json"


def _link(temporary: Path, target: Path) -> bool:
    try:
        target.hardlink_to(temporary)
    except (FileExistsError, FileNotFoundError):  # the winner may have removed the temporary file
        return False
    return True
