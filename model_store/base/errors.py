"""What can go wrong with a store.

StoreError
├── StoreUnavailableError    the store could not be read or written; trying again may help
├── VersionNotFoundError     no such model or version
├── InvalidDocumentError     a JSON or golden file is malformed; names the file and the field
├── CorruptVersionError      the files of a version are not those its manifest lists
├── SignatureError           a version is not signed, or not by a trusted key, or not as it is
├── KeyFileError             a key file holds no key that can be used
└── PublishError             a draft could not become a version
    └── VersionLimitError    no number is left for it
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def printable(text: str) -> str:
    """Return a text that every log and every JSON document takes.

    The name of a file may be any bytes; those that are no UTF-8 are written as escapes.
    """
    return text.encode(errors="backslashreplace").decode()


class StoreError(Exception):
    """Base of every error that this package raises on purpose."""

    def __str__(self) -> str:
        return printable(super().__str__())


class StoreUnavailableError(StoreError):
    """Raised when the place of the store refuses or does not answer, whatever it holds."""


class VersionNotFoundError(StoreError):
    """Raised when the store holds no such model or version."""


class InvalidDocumentError(StoreError):
    """Raised when a document of a version cannot be read or breaks its schema."""

    def __init__(self, path: Path | str, field: str | None, problem: str) -> None:
        super().__init__(path, field, problem)
        self.path = path
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        where = f"{self.path}: field {self.field}" if self.field else str(self.path)
        return printable(f"{where}: {self.problem}")


class _FileError(StoreError):
    """Names a file and says what is wrong with it."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.problem}")


class CorruptVersionError(_FileError):
    """Raised when a file is missing, unexpected, or not what the manifest says."""


class SignatureError(_FileError):
    """Raised when a version has no signature that is good under a trusted key and covers it."""


class KeyFileError(_FileError):
    """Raised when a file does not hold the key that is expected there."""


class PublishError(StoreError):
    """Raised when a draft could not be made a version."""


class VersionLimitError(PublishError):
    """Raised when the model has a version of the greatest number there can be."""


@contextlib.contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn the operating system's refusal into a sentence that says what could not be done."""
    try:
        yield
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        raise StoreUnavailableError(f"cannot {action}: {where}{exc.strerror or exc}") from exc
