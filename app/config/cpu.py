"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELF = Path("/proc/self")
_CPU = "cpu"


class _Mount(NamedTuple):
    """Where a hierarchy of control groups can be seen."""

    root: Path
    """The group that lies at the mount point."""
    point: Path
    second_version: bool


def usable_cores(process: Path = _SELF) -> int:
    """Return the number of cores that the process may run on, within its groups' shares of them.

    A container, a systemd unit or a job of a batch system bounds its group, and any group around it
    may have a smaller bound: the smallest counts. Both versions of control groups are read.

    Args:
        process: The directory of the process below /proc.
    """
    cores = len(os.sched_getaffinity(0))
    shares = [share for group in _groups(process) if (share := _share(group)) is not None]
    return max(1, min([cores, *map(math.ceil, shares)]))


def _groups(process: Path) -> Iterator[Path]:
    """Yield the directories of the process's groups of cores, each with those around it."""
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
        memberships = (process / "cgroup").read_text().splitlines()
    except OSError:  # no Linux, or no /proc
        return
    paths = dict(line.split(":", 2)[1:] for line in memberships if line.count(":") > 1)
    for mount in filter(None, map(_read_mount, mounts)):
        for controllers, path in paths.items():
            if controllers == "" if mount.second_version else _CPU in controllers.split(","):
                yield from _up(mount, Path(path))


def _read_mount(line: str) -> _Mount | None:
    """Return the mount of a line of mountinfo, if it is a cpu control group."""
    place, _, kind = line.partition(" - ")
    fields, about = place.split(), kind.split()
    if "cgroup2" not in about[:1] and not (
        about[:1] == ["cgroup"] and _CPU in about[-1].split(",")
    ):
        return None
    return _Mount(Path(fields[3]), Path(fields[4]), about[0] == "cgroup2")


def _up(mount: _Mount, path: Path) -> Iterator[Path]:
    """Yield a group's directory and those above it, as far as they can be seen."""
    inside = path.relative_to(mount.root) if path.is_relative_to(mount.root) else Path()
    yield mount.point / inside
    for parent in inside.parents:
        yield mount.point / parent


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
