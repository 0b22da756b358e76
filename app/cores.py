"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")
"""Where a container's share of the machine stands (cgroup v2): microseconds, and of how many."""


def usable_cores(quota: Path = CGROUP) -> int:
    """Count the cores that the process may run on, and no more than its container's share."""
    cores = len(os.sched_getaffinity(0))
    try:
        share, period = quota.read_text().split()
        return min(cores, math.ceil(int(share) / int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cores
