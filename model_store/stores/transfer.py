"""Moves a version between a directory and the objects below a key.

The objects are compared with the manifest in both directions: before the commit, and before
anything is downloaded.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.base.errors import CorruptVersionError, PublishError, StoreError, explained
from model_store.base.json_documents import read_bytes
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest
from model_store.version.metadata import METADATA

if TYPE_CHECKING:
    from model_store.stores.objects import Objects


def upload(objects: Objects, key: str, directory: Path) -> None:
    """Commit a finished version whose number is reserved: everything first, the manifest last.

    Raises:
        PublishError: If somebody else has made the key a version.
    """
    paths = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*")}
    files = {
        f"{key}/{name}": path
        for name, path in paths.items()
        if path.is_file() and name not in (METADATA, MANIFEST)
    }
    try:
        objects.upload(files)
        _compare(objects, key, Manifest.read(directory))
    except BaseException:
        with contextlib.suppress(StoreError):  # what stays is removed when it is old
            clear(objects, key)
        raise
    manifest, data = f"{key}/{MANIFEST}", read_bytes(directory / MANIFEST)
    if not objects.create(manifest, data) and objects.read(manifest) != data:
        raise PublishError(f"{objects.at(key)} was finished by somebody else")


def download(objects: Objects, key: str, data: bytes, directory: Path) -> Manifest:
    """Fill a directory with what a manifest lists, and verify it; errors name the object.

    Raises:
        InvalidDocumentError: If the manifest is broken.
        CorruptVersionError: If an object is missing, unexpected or different.
    """
    manifest = Manifest.parse(objects.at(f"{key}/{MANIFEST}"), data)
    _compare(objects, key, manifest)
    objects.download({f"{key}/{entry.path}": directory / entry.path for entry in manifest.files})
    with explained("write to the cache"):
        (directory / MANIFEST).write_bytes(data)
    try:
        manifest.verify(directory)
    except CorruptVersionError as exc:
        name = Path(exc.path).relative_to(directory).as_posix()
        raise CorruptVersionError(objects.at(f"{key}/{name}"), exc.problem) from exc
    return manifest


def clear(objects: Objects, key: str) -> None:
    """Delete all below a key, the reservation last: until then the number is taken."""
    for name in sorted(objects.find(key), key=lambda name: name == METADATA):
        objects.remove(f"{key}/{name}")


def _compare(objects: Objects, key: str, manifest: Manifest) -> None:
    """Compare names and sizes with a listing."""
    found = objects.find(key)
    for entry in manifest.files:
        where = objects.at(f"{key}/{entry.path}")
        if entry.path not in found:
            raise CorruptVersionError(where, "is listed in the manifest but missing")
        size = found[entry.path].size
        if size != entry.size:
            problem = f"is {size} bytes long; the manifest says {entry.size}"
            raise CorruptVersionError(where, problem)
    listed = {entry.path for entry in manifest.files} | {MANIFEST, SIGNATURE}
    for stranger in sorted(found.keys() - listed):
        where = objects.at(f"{key}/{stranger}")
        raise CorruptVersionError(where, "is not listed in the manifest")
