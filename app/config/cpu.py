"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from app.config.control_groups import SELF, control_groups

if TYPE_CHECKING:
    from pathlib import Path


def usable_cores(process: Path = SELF) -> int:
    """Return the number of cores that the process may run on, within its groups' shares of them.

    A container, a systemd unit or a job of a batch system bounds its group, and any group around it
    may have a smaller bound: the smallest counts. Both versions of control groups are read.

    Args:
        process: The directory of the process below /proc.
    """
    cores = len(os.sched_getaffinity(0))
    groups = control_groups("cpu", process)
    shares = [share for group in groups if (share := _share(group)) is not None]
    return max(1, min([cores, *map(math.ceil, shares)]))


def _share(group: Path) -> float | None:
    """Return a group's bound in cores; None where it has none."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return None
    return share if share > 0 else None  # -1 is no bound
