"""What processes cost, as Linux counts it: CPU time and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the seconds that processes have computed, in user and in kernel mode."""
    total = 0
    for pid in pids:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / _TICKS_PER_S


def pss_mib(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the MiB that processes hold; a page that several share counts once in all."""
    total_kib = 0
    for pid in pids:
        lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()
        total_kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib / 1024
