"""The control groups of a process: those of one controller, with the groups around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SELF = Path("/proc/self")


class _Mount(NamedTuple):
    """Where a hierarchy of control groups can be seen."""

    root: Path
    """The group that lies at the mount point."""
    point: Path
    second_version: bool


def control_groups(controller: str, process: Path = SELF) -> Iterator[Path]:
    """Yield the directories of the process's groups of a controller, each with those around it.

    Both versions of control groups are read.

    Args:
        controller: Such as cpu or memory.
        process: The directory of the process below /proc.
    """
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
        memberships = (process / "cgroup").read_text().splitlines()
    except OSError:  # no Linux, or no /proc
        return
    paths = dict(line.split(":", 2)[1:] for line in memberships if line.count(":") > 1)
    for mount in filter(None, (_read_mount(line, controller) for line in mounts)):
        for controllers, path in paths.items():
            if controllers == "" if mount.second_version else controller in controllers.split(","):
                yield from _up(mount, Path(path))


def _read_mount(line: str, controller: str) -> _Mount | None:
    """Return the mount of a line of mountinfo, if it is one of the controller's groups."""
    place, _, kind = line.partition(" - ")
    fields, about = place.split(), kind.split()
    if "cgroup2" not in about[:1] and not (
        about[:1] == ["cgroup"] and controller in about[-1].split(",")
    ):
        return None
    return _Mount(Path(fields[3]), Path(fields[4]), about[0] == "cgroup2")


def _up(mount: _Mount, path: Path) -> Iterator[Path]:
    """Yield a group's directory and those above it, as far as they can be seen."""
    inside = path.relative_to(mount.root) if path.is_relative_to(mount.root) else Path()
    yield mount.point / inside
    for parent in inside.parents:
        yield mount.point / parent
