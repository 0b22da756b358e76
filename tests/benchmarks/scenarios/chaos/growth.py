"""What a service holds: memory, descriptors, threads and files, at one calm moment and another."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.processes import Usage, pss_mib, usages
from tests.service import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.scenarios.chaos.ground import Ground

_MEMORY_SHARE, _MEMORY_MIB = 1.25, 16
_DESCRIPTORS, _THREADS = 8, 8
"""A new host has some more or fewer of both, by what it has compiled so far."""


@dataclass(frozen=True, slots=True)
class Held:
    """What there was at one moment."""

    processes: list[Usage]
    files: Counter[str]
    """Of the run directory; numbers in their names are written as N."""


def held_by(ground: Ground) -> Held:
    """Look at a service that is whole."""
    found = wait_until(lambda: usages(ground.service), "every process can be looked at")
    return Held(found, files_below(ground.run_dir))


def files_below(directory: Path) -> Counter[str]:
    """Count files by their names without numbers."""
    names = (str(path.relative_to(directory)) for path in directory.rglob("*"))
    return Counter(re.sub(r"\d+", "N", name) for name in names)


def grown(before: Held, after: Held) -> list[str]:
    """Return a sentence for everything that is more than it was, beyond chance."""
    told = []
    was, now = pss_mib(before.processes), pss_mib(after.processes)
    if now > was * _MEMORY_SHARE + _MEMORY_MIB:
        told.append(f"memory {was:.0f} -> {now:.0f} MiB")
    by_role = {one.role: one for one in before.processes}
    for one in after.processes:
        first = by_role[one.role]
        if one.fds > first.fds + _DESCRIPTORS:
            told.append(f"{one.role}: {first.fds} -> {one.fds} descriptors")
        if one.threads > first.threads + _THREADS:
            told.append(f"{one.role}: {first.threads} -> {one.threads} threads")
    for name, count in after.files.items():
        # One of a name that was not there is what dead workers' counters are joined in.
        if count > max(before.files[name], 1):
            told.append(f"{name} in the run directory: {before.files[name]} -> {count}")
    return told


def words(held: Held) -> str:
    """Return what there was in a few words."""
    fds = sum(one.fds for one in held.processes)
    threads = sum(one.threads for one in held.processes)
    return (
        f"{pss_mib(held.processes):.0f} MiB (PSS), {fds} descriptors, {threads} threads, "
        f"{held.files.total()} files in the run directory"
    )
