"""What processes cost, as Linux counts it: CPU time and memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the seconds that processes have computed, in user and in kernel mode."""
    return sum(map(read_ticks, _read_each(pids, "stat", proc))) / TICKS_PER_S


def pss_mib(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the MiB that processes hold; a page that several share counts once in all."""
    return sum(map(read_pss_kib, _read_each(pids, "smaps_rollup", proc))) / 1024


def read_ticks(stat: str) -> int:
    """Find the clock ticks of computing in what /proc tells of a process."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime, stime


def read_pss_kib(rollup: str) -> int:
    """Find a process's share of its memory, in KiB, in the sum of its mappings."""
    return next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))


def _read_each(pids: Iterable[int], name: str, proc: Path) -> Iterator[str]:
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            yield (proc / str(pid) / name).read_text()
