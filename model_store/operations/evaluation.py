"""What stands where: which versions are good, and which is the default, as far as the store tells.

A running service may lag behind, or may have no runtime for a version; nobody asks it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_store.base.errors import CorruptVersionError, InvalidDocumentError
from model_store.control.version_policy import DEFAULT_POLICY, choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_store.control.document import Control
    from model_store.stores.protocol import Store


def digest_of(store: Store, model: str, version: int) -> str | None:
    """Read the digest of a version from its manifest; None where the manifest is broken.

    Raises:
        VersionNotFoundError: If there is no such version.
    """
    try:
        return store.manifest(model, version).digest
    except (CorruptVersionError, InvalidDocumentError):
        return None


class Evaluation:
    """How the versions of a model stand at one moment."""

    def __init__(
        self, store: Store, model: str, policy: str | None = None, control: Control | None = None
    ) -> None:
        """Look at a model.

        Args:
            store: Where the model is.
            model: Its name.
            policy: The service's, which counts where the model has none of its own.
            control: What is decided; read from the store if not given.
        """
        self.control = store.control(model) if control is None else control
        self.policy = self.control.policy or policy or DEFAULT_POLICY
        self.good = [n for n in store.versions(model) if not self._is_quarantined(store, model, n)]
        """Versions that are not quarantined, oldest first."""

    @property
    def wanted(self) -> list[int]:
        """The good versions that the policy chooses."""
        return choose(self.policy, self.good)

    @property
    def default(self) -> int | None:
        """The version that plain requests get, or will get once it is loaded.

        The pinned one; else the newest wanted one that passed a trial; else, since something served
        before, the newest that passed one; else the newest wanted.
        """
        if self.control.pinned in self.good:
            return self.control.pinned
        tried = [n for n in self.good if n in self.control.passed]
        choices = [n for n in self.wanted if n in tried] or tried or self.wanted
        return max(choices, default=None)

    def needed(self) -> dict[int, list[str]]:
        """Return the versions that must stay in the store, each with the reasons."""
        reasons: dict[int, list[str]] = {}
        for version, reason in self._needs():
            reasons.setdefault(version, []).append(reason)
        return reasons

    def _needs(self) -> Iterator[tuple[int, str]]:
        if self.default is not None:
            yield self.default, "the default version"
        if self.control.pinned is not None:
            yield self.control.pinned, "pinned"
        for version in self.wanted:
            yield version, f"wanted by the policy {self.policy}"
        for name, version in sorted(self.control.labels.items()):
            yield version, f"labelled {name}"

    def _is_quarantined(self, store: Store, model: str, version: int) -> bool:
        return version in self.control.quarantined and self.control.is_quarantined(
            version, digest_of(store, model, version)
        )
