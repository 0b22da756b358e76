"""The ways in which a version's signature can be bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_store.base.json_documents import write_document
from model_store.signing.keys import PrivateKey
from model_store.signing.signatures import sign_with
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest
from tests.benchmarks.scenarios.damage import replayed

if TYPE_CHECKING:
    from tests.benchmarks.scenarios.damage import Scene


def without_signature(scene: Scene) -> int:
    """Take the signature away."""
    directory = scene.good()
    (directory / SIGNATURE).unlink()
    return scene.place(directory)


def signed_by_another(scene: Scene) -> int:
    """Sign with a key that nobody knows."""
    directory = scene.good()
    sign_with(PrivateKey.make())(directory)
    return scene.place(directory)


def changed_after_signing(scene: Scene) -> int:
    """Change a file, and the manifest with it, and leave the signature as it was."""
    directory = scene.good()
    (directory / "assets.extra" / "more").write_bytes(b"nobody signed this")
    write_document(directory / MANIFEST, Manifest.of(directory))
    return scene.place(directory)


REFUSED_WITH_KEYS = {
    "unsigned": (without_signature, "is not signed"),
    "signed by another key": (signed_by_another, "none of those trusted"),
    "changed after signing": (changed_after_signing, "is not covered by the signature"),
    "older signed version replayed": (replayed, "says that it is version 3 of mnist"),
}
"""What is wrong -> how it is done, and a part of the reason for which it is refused."""
