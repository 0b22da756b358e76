"""The model host's bound follows that of the container or unit."""

from __future__ import annotations

import pytest

from app.config.memory import default_host_memory_mib, memory_limit_bytes

GIB = 2**30
V2 = "31 23 0:28 / {} rw,nosuid shared:9 - cgroup2 cgroup2 rw"
V1 = "32 31 0:29 / {} rw,relatime - cgroup cgroup rw,memory"


@pytest.fixture
def machine(tmp_path):
    """Return a function that creates a machine's control groups and returns the process in them."""

    def build(mount, member, **bounds):
        """Mount a hierarchy at "{}", put the process in a group, and write the groups' bounds."""
        place, process = tmp_path / "groups", tmp_path / "self"
        name = "memory.max" if "cgroup2" in mount else "memory.limit_in_bytes"
        for group, bound in bounds.items():
            (place / group).mkdir(parents=True, exist_ok=True)
            (place / group / name).write_text(f"{bound}\n")
        process.mkdir()
        (process / "mountinfo").write_text(f"{mount.format(place)}\n")
        (process / "cgroup").write_text(member)
        return process

    return build


@pytest.mark.parametrize(
    ("bound", "mib"),
    [
        (GIB, 768),
        (4 * GIB, 3072),
        (64 * GIB, 4096),
        (64 * 2**20, 128),
        ("max", 4096),
        ("", 4096),
        (0, 4096),
    ],
)
def test_the_host_gets_a_share_of_the_limit(machine, bound, mib):
    """The web workers get the rest; a limit that no host fits into, or none, changes nothing."""
    assert mib == default_host_memory_mib(machine(V2, "0::/\n", **{".": bound}))


@pytest.mark.parametrize(("bound", "mib"), [(2 * GIB, 1536), (9223372036854771712, 4096)])
def test_the_first_version_of_control_groups_is_read(machine, bound, mib):
    """Its number for no limit is none."""
    member = "9:name=systemd:/x\n4:memory:/box\n0::/\n"

    assert mib == default_host_memory_mib(machine(V1, member, box=bound, x=GIB))


def test_the_smallest_bound_counts(machine):
    """A group around may have less."""
    process = machine(V2, "0::/pod/box\n", **{"pod": GIB, "pod/box": 2 * GIB})

    assert GIB == memory_limit_bytes(process)


def test_without_control_groups_there_is_no_limit(tmp_path):
    """On a machine without them, or without /proc."""
    assert memory_limit_bytes(tmp_path) is None
    assert 4096 == default_host_memory_mib(tmp_path)
