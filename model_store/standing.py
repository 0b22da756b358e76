"""What stands where: which versions are good, and which is the default, as far as the store tells.

A running service may lag behind, or may have no runtime for a version; nobody asks it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_store.errors import CorruptVersionError, InvalidDocumentError
from model_store.policy import DEFAULT_POLICY, choose

if TYPE_CHECKING:
    from collections.abc import Collection

    from model_store.control import Control
    from model_store.protocol import Store


def digest_of(store: Store, model: str, version: int) -> str | None:
    """Read the digest of a version from its manifest; None where the manifest is broken.

    Raises:
        VersionNotFoundError: If there is no such version.
    """
    try:
        return store.manifest(model, version).digest
    except (CorruptVersionError, InvalidDocumentError):
        return None


def good_versions(store: Store, model: str, control: Control) -> list[int]:
    """Number the versions that are not quarantined, oldest first."""
    return [
        version
        for version in store.versions(model)
        if version not in control.quarantined
        or not control.is_quarantined(version, digest_of(store, model, version))
    ]


def default_version(
    control: Control, good: Collection[int], policy: str | None = None
) -> int | None:
    """Give the version that plain requests get, or will get once it is loaded.

    Args:
        control: What is decided about the model.
        good: Its versions that are not quarantined.
        policy: The service's, where the document has none.
    """
    if control.pinned in good:
        return control.pinned
    tried = [version for version in good if version in control.passed]
    wanted = choose(control.policy or policy or DEFAULT_POLICY, good)
    for chosen in ([n for n in wanted if n in tried], tried, wanted):
        if chosen:
            return max(chosen)
    return None


def needed(
    control: Control, good: Collection[int], policy: str | None = None
) -> dict[int, list[str]]:
    """Say which versions must stay in the store, each with the reasons."""
    reasons: dict[int, list[str]] = {}

    def keep(version: int | None, reason: str) -> None:
        if version is not None:
            reasons.setdefault(version, []).append(reason)

    text = control.policy or policy or DEFAULT_POLICY
    keep(default_version(control, good, policy), "the default version")
    keep(control.pinned, "pinned")
    for version in choose(text, good):
        keep(version, f"wanted by the policy {text}")
    for name, version in sorted(control.labels.items()):
        keep(version, f"labelled {name}")
    return reasons
