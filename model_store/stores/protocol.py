"""What readers and publishers may ask of a store, wherever it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from model_store.control.document import Audit, Change, Control
    from model_store.version.drafts import Draft
    from model_store.version.manifest import Manifest
    from model_store.version.metadata import Metadata


class Store(Protocol):
    """Numbered, immutable versions of models, and one control document per model.

    Every method may raise StoreError; its text is a sentence for a person. `ModelStore` says more
    about each.
    """

    @property
    def location(self) -> str:
        """The directory or the URL, for messages."""

    def models(self) -> list[str]:
        """Name every model that has at least one version."""

    def versions(self, model: str) -> list[int]:
        """Number every whole version of a model, oldest first; a model unknown has none."""

    def find_trace(self, model: str) -> str | None:
        """Return a place that shows that the store has been used; None if it never was."""

    def unfinished(self, model: str) -> list[int]:
        """Number what looks like a version but has no manifest."""

    def latest(self, model: str) -> int | None:
        """Return the greatest version, or None where there is none."""

    def metadata(self, model: str, version: int) -> Metadata:
        """Read what a version says about itself."""

    def manifest(self, model: str, version: int) -> Manifest:
        """Read the list of a version's files, without looking at them."""

    def verify(self, model: str, version: int) -> Manifest:
        """Recompute every digest of a version."""

    def fingerprint(self, model: str, version: int) -> str:
        """Return a text that changes whenever a file of a version does; no file is read for it."""

    def fetch(self, model: str, version: int) -> Path:
        """Return a local directory that holds the whole version."""

    def control(self, model: str) -> Control:
        """Return the control document of a model; one that was never changed has the defaults."""

    def history(self, model: str) -> list[Change]:
        """Return every change of the control document, oldest first."""

    def change(
        self, model: str, action: str, edit: Callable[[Control], Control], **audit: Unpack[Audit]
    ) -> Change:
        """Apply an edit to the newest control document, atomically; nobody's change is lost."""

    def draft(self, model: str) -> AbstractContextManager[Draft]:
        """Open a draft: a local directory that `commit` turns into the next version."""

    def adopt(self, source: Path, model: str) -> int:
        """Copy a published version from a local directory, under the number it has."""

    def add_signature(self, model: str, version: int, signature: bytes) -> None:
        """Put a signature beside a version's manifest, atomically; one that is there goes."""

    def remove(self, model: str, version: int) -> None:
        """Delete a version that is neither pinned nor labelled."""

    def clean(self, model: str) -> int:
        """Remove what killed publishers left; gives how many drafts went."""
