"""Decides which versions of a model to load, and which of them is the default.

Policy only: the versions in the store and the operator's decisions are passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_store.control.version_policy import choose

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from model_store import Control, Quarantine

GLYPH_SERVE = "glyph-serve"
"""Author of changes that the service makes itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The desired state of a model."""

    wanted: tuple[int, ...]
    """In the order of loading."""
    candidates: tuple[int, ...]
    """The first of these that is loaded is the default version."""

    def default(self, loaded: Collection[int]) -> int | None:
        """Return the default version among those in memory."""
        return next((version for version in self.candidates if version in loaded), None)


def plan(present: Iterable[int], control: Control, policy: str, barred: Collection[int]) -> Plan:
    """Return the desired state of a model.

    Args:
        present: Versions that are loaded or can be.
        control: The operator's decisions; a policy in it overrides `policy`.
        policy: `latest`, `latest:3`, `all` or `2,5`.
        barred: Versions that must not be loaded.
    """
    if control.unloaded:
        return Plan((), ())
    good = sorted(set(present) - set(barred), reverse=True)
    pinned = [version for version in good if version == control.pinned]
    chosen = sorted(choose(control.policy or policy, good), reverse=True)
    labelled = [version for version in good if version in control.labels.values()]
    candidates = tuple(dict.fromkeys([*pinned, *chosen]))
    return Plan(tuple(dict.fromkeys([*candidates, *labelled])), candidates)


def applies_to(quarantine: Quarantine, digest: str | None) -> bool:
    """Return True if a quarantine entry applies to a version as it is now.

    An entry that this service made without a digest does not: the files did not match the manifest,
    as during a copy, and must be checked again.

    Args:
        quarantine: The version's entry.
        digest: Digest of its manifest; None if it cannot be read.
    """
    if quarantine.digest is None:
        return quarantine.by != GLYPH_SERVE
    return quarantine.digest == digest
