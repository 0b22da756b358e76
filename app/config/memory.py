"""How much memory this process may use, and how much of that the model host may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.config.control_groups import SELF, control_groups

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_HOST_MIB = 128
"""A host without a version is larger."""
_LARGEST_HOST_MIB = 4096
"""A host that is larger has a leak, whatever the machine has."""
_HOST_SHARE = 0.75
"""The rest is for the master, up to four web workers of some 60 MiB, and what the kernel counts:
were the host's bound any closer to the group's, the kernel would kill it first."""
_MIB = 2**20
_BOUNDS = ("memory.max", "memory.limit_in_bytes")
_UNBOUNDED = 2**60
"""The first version of control groups has no word for it, but a number near 2**63."""


def memory_limit_bytes(process: Path = SELF) -> int | None:
    """Return the smallest bound on memory of the process's groups and those around them.

    Args:
        process: The directory of the process below /proc.
    """
    groups = control_groups("memory", process)
    return min((bound for group in groups if (bound := _bound(group)) is not None), default=None)


def default_host_memory_mib(process: Path = SELF) -> int:
    """Return how large the model host may become where no setting says so.

    It is replaced before the kernel would kill it for the control group's limit.
    """
    limit = memory_limit_bytes(process)
    if limit is None:
        return _LARGEST_HOST_MIB
    share = int(limit * _HOST_SHARE) // _MIB
    return max(SMALLEST_HOST_MIB, min(_LARGEST_HOST_MIB, share))


def _bound(group: Path) -> int | None:
    """Return a group's bound in bytes; None where it has none."""
    for name in _BOUNDS:
        try:
            bound = int((group / name).read_text())
        except (OSError, ValueError):  # it is not there, or "max"
            continue
        if 0 < bound < _UNBOUNDED:
            return bound
    return None
