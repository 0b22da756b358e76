"""Which versions of a model are to be loaded, and which of them is the default.

Policy only: it is told what the store holds and what an operator decided, and reads nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_store.control.version_policy import choose

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from model_store import Control, Quarantine

GLYPH_SERVE = "glyph-serve"
"""Who made a change, where it was the service itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be in memory."""

    wanted: tuple[int, ...]
    """In the order of loading."""
    candidates: tuple[int, ...]
    """The first of these that is loaded is the default version."""

    def default(self, loaded: Collection[int]) -> int | None:
        """Pick the default version from those in memory."""
        return next((version for version in self.candidates if version in loaded), None)


def plan(present: Iterable[int], control: Control, policy: str, barred: Collection[int]) -> Plan:
    """Plan for a model.

    Args:
        present: Versions that can be loaded or are.
        control: What an operator decided; its own policy goes before the other.
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
    """Say whether a quarantine is about what a version is now.

    What this service put there without a digest is no longer sure once it is looked at again: the
    files were not those of the manifest, as in a copy under way.

    Args:
        quarantine: The version's entry.
        digest: Of its manifest; None where there is none to read.
    """
    if quarantine.digest is None:
        return quarantine.by != GLYPH_SERVE
    return quarantine.digest == digest
