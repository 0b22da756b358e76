"""The list of a version's files with their sizes and SHA-256: written last, checked before use."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, ValidationError

from model_store.base.errors import CorruptVersionError
from model_store.base.files import open_regular
from model_store.base.json_documents import (
    Document,
    Sha256,
    parse_document,
    read_document,
)
from model_store.base.validation import first_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MANIFEST = "manifest.json"
SIGNATURE = "model.sig"
"""Covers the manifest, which therefore cannot list it."""


def _check_relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path != "/".join(parts) or path.startswith("/"):
        raise ValueError("must be a relative path that stays inside the version")
    path.encode()  # a ValueError for what stands for bytes that are no UTF-8
    return path


class FileEntry(Document):
    """One file of a version; the path is relative, with forward slashes."""

    path: Annotated[str, AfterValidator(_check_relative)]
    size: int
    sha256: Sha256


class Manifest(Document):
    """Every file of a version but the manifest itself and the signature."""

    schema_version: Literal[1] = 1
    files: tuple[FileEntry, ...]
    digest: Sha256
    """SHA-256 over the lines "sha256 size path" of all files: the identity of the version."""

    @classmethod
    def of(cls, directory: Path) -> Manifest:
        """Hash every file below a directory."""
        files = tuple(_entry(directory, path) for path in sorted(_files(directory)))
        return cls(files=files, digest=_digest(files))

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read a version's manifest and check that it agrees with itself.

        Raises:
            InvalidDocumentError: If it breaks the schema.
            CorruptVersionError: If its digest is not that of its entries.
        """
        path = directory / MANIFEST
        return _check_digest(path, read_document(path, cls))

    @classmethod
    def parse(cls, where: str, data: bytes) -> Manifest:
        """Read a manifest that came from a URL, as `read` does."""
        return _check_digest(where, parse_document(where, data, cls))

    def verify(self, directory: Path) -> None:
        """Recompute every digest.

        Raises:
            CorruptVersionError: At the first file that is missing, not listed, different, or not
                to be read.
        """
        listed = {entry.path: entry for entry in self.files}
        present = {path.relative_to(directory).as_posix() for path in _files(directory)}
        for missing in sorted(listed.keys() - present):
            raise CorruptVersionError(directory / missing, "is listed in the manifest but missing")
        for stranger in sorted(present - listed.keys()):
            raise CorruptVersionError(directory / stranger, "is not listed in the manifest")
        for path, entry in listed.items():  # first, since a giant file takes hours to hash
            _check_size(directory / path, entry)
        for path, entry in listed.items():
            _check(directory / path, entry, _entry(directory, directory / path))


def _check_digest(where: Path | str, manifest: Manifest) -> Manifest:
    if _digest(manifest.files) != manifest.digest:
        raise CorruptVersionError(where, "the digest is not that of the listed files")
    return manifest


def _check_size(path: Path, listed: FileEntry) -> None:
    with _explained(path):
        size = path.stat().st_size
    if size != listed.size:
        problem = f"is {size} bytes long; the manifest says {listed.size}"
        raise CorruptVersionError(path, problem)


def _check(path: Path, listed: FileEntry, found: FileEntry) -> None:
    if found.sha256 != listed.sha256:
        problem = f"has SHA-256 {found.sha256[:12]}…; the manifest says {listed.sha256[:12]}…"
        raise CorruptVersionError(path, problem)


def _files(directory: Path) -> Iterator[Path]:
    unlisted = {directory / MANIFEST, directory / SIGNATURE}
    for path in directory.rglob("*"):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or (stat.S_ISDIR(kind) and path not in unlisted)):
            raise CorruptVersionError(path, "is neither a plain file nor a directory")
        if stat.S_ISREG(kind) and path not in unlisted:
            yield path


def _entry(directory: Path, path: Path) -> FileEntry:
    with _explained(path), open_regular(path, follow=False) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = stream.tell()
    try:
        return FileEntry(path=path.relative_to(directory).as_posix(), size=size, sha256=digest)
    except ValidationError as exc:
        problem = f"cannot be listed: {first_error(exc).problem_and_found}"
        raise CorruptVersionError(repr(str(path)), problem) from exc


def _digest(files: Iterable[FileEntry]) -> str:
    lines = "".join(f"{entry.sha256} {entry.size} {entry.path}\n" for entry in files)
    return hashlib.sha256(lines.encode()).hexdigest()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise CorruptVersionError(path, f"cannot be read: {exc.strerror}") from exc
