"""What processes cost, as Linux counts it: CPU time and memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the seconds that processes have computed, in user and in kernel mode."""
    total = 0
    for text in _read_each(pids, "stat", proc):
        fields = text.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / _TICKS_PER_S


def pss_mib(pids: Iterable[int], proc: Path = PROC) -> float:
    """Add up the MiB that processes hold; a page that several share counts once in all."""
    total_kib = 0
    for text in _read_each(pids, "smaps_rollup", proc):
        total_kib += next(int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))
    return total_kib / 1024


def _read_each(pids: Iterable[int], name: str, proc: Path) -> Iterator[str]:
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            yield (proc / str(pid) / name).read_text()
