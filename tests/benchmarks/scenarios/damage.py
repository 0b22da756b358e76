"""The ways in which a version can be bad, each put into a store."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_store import Metadata, ModelStore
from model_store.base.json_documents import read_document, write_document
from model_store.version.drafts import unsigned
from model_store.version.manifest import MANIFEST, Manifest
from model_store.version.metadata import METADATA
from tests.benchmarks.scenarios.variants import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from model_store.version.drafts import SignHook

GOOD = 3
"""Good versions that there are before; the newest must serve on."""
_WEIGHTS = "variables/variables.data-00000-of-00001"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where bad versions are put; the store has a few good ones of mnist."""

    store: ModelStore
    aside: Path
    """Another directory on the same disk."""
    sign_hook: SignHook = unsigned
    """Signs as the publisher of the good ones does."""
    source: int = 1
    """The good version that bad ones are made from."""

    def next(self) -> int:
        """Return the number that a publisher would take next."""
        return max(self.store.versions("mnist") + self.store.unfinished("mnist")) + 1

    def copy(self, version: int) -> Path:
        """Copy a version aside."""
        target = self.aside / f"copy-{time.monotonic_ns()}"
        return shutil.copytree(self.store.path("mnist", version), target)

    def good(self) -> Path:
        """Make aside what would be a good version under the next number."""
        directory = self.copy(self.source)
        metadata = read_document(directory / METADATA, Metadata)
        write_document(directory / METADATA, metadata.model_copy(update={"version": self.next()}))
        write_document(directory / MANIFEST, Manifest.of(directory))
        self.sign_hook(directory)
        return directory

    def place(self, directory: Path, number: int | None = None) -> int:
        """Move a directory to a number, however wrong it is; by default the next one."""
        number = number or self.next()
        directory.rename(self.store.path("mnist", number))
        return number


def truncated(scene: Scene) -> int:
    """Cut the weights in half."""
    directory = scene.good()
    content = (directory / _WEIGHTS).read_bytes()
    (directory / _WEIGHTS).write_bytes(content[: len(content) // 2])
    return scene.place(directory)


def flipped_bit(scene: Scene) -> int:
    """Flip one bit in the middle of the weights."""
    directory = scene.good()
    content = bytearray((directory / _WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / _WEIGHTS).write_bytes(content)
    return scene.place(directory)


def of_variant(variant: str) -> Callable[[Scene], int]:
    """Publish a model that is not what it says."""
    return lambda scene: publish(scene.store, "mnist", variant, scene.sign_hook)


def replayed(scene: Scene) -> int:
    """Copy an older version, manifest and all, under a later number."""
    return scene.place(scene.copy(GOOD), scene.next() + 1)


def without_manifest(scene: Scene) -> int:
    """Leave the manifest out."""
    directory = scene.good()
    (directory / MANIFEST).unlink()
    return scene.place(directory)


def copied_slowly(scene: Scene, step: Callable[[int], None], *, manifest_first: bool) -> int:
    """Copy a good version into the store file by file, as `cp -r` does; gives its number.

    Args:
        scene: Where.
        step: Called with the number after each file.
        manifest_first: Else the manifest comes last.
    """
    source, number = scene.good(), scene.next()
    files = sorted(path for path in source.rglob("*") if path.is_file())
    files.sort(key=lambda path: (path.name == MANIFEST) is not manifest_first)
    for path in files:
        target = scene.store.path("mnist", number) / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        step(number)
    return number


REFUSED: dict[str, tuple[Callable[[Scene], int], str]] = {
    "truncated file": (truncated, "bytes long; the manifest says"),
    "flipped bit": (flipped_bit, "has SHA-256"),
    "NaN weights": (of_variant("nan"), "golden image"),
    "classes swapped against golden": (of_variant("swapped-classes"), "golden image"),
    "wrong signature shape": (of_variant("wrong-shape"), "takes images of shape (32, 32, 1)"),
    "older version replayed": (replayed, "says that it is version 3 of mnist"),
}
"""What is wrong -> how it is done, and a part of the reason for which it is refused."""


def place_all(
    scene: Scene, kinds: Mapping[str, tuple[Callable[[Scene], int], str]]
) -> dict[str, int]:
    """Put a version of each kind into the store; gives their numbers."""
    return {kind: make(scene) for kind, (make, _) in kinds.items()}
