"""Memory that is left to this process by the machine, its container and its own limits."""

from __future__ import annotations

import resource
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_UNUSED_BYTES = 2**30
"""Address space that a runtime reserves and does not use: libraries, stacks of threads."""


def available_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Return the number of bytes that can still be allocated here; an estimate from below."""
    return min(_free(meminfo), _left_in(cgroup), _left_to_process())


def _free(meminfo: Path) -> int:
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 2**63


def _left_in(cgroup: Path) -> int:
    try:
        limit = int((cgroup / "memory.max").read_text())
        return max(0, limit - int((cgroup / "memory.current").read_text()))
    except (OSError, ValueError):  # no such controller, or "max"
        return 2**63


def _left_to_process() -> int:
    """Return the bytes left by `ulimit -v` and `ulimit -d`, less those already mapped."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    left = 2**63
    for kind, name, unused in (
        (resource.RLIMIT_AS, "VmSize", _UNUSED_BYTES),
        (resource.RLIMIT_DATA, "VmData", 0),
    ):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            left = min(left, limit - int(fields[name].split()[0]) * 1024 - unused)
    return max(0, left)
