"""The share of a container or unit counts, not the machine it runs on."""

from __future__ import annotations

import pytest

from app.config.cpu import usable_cores


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(16)))


@pytest.fixture
def machine(tmp_path):
    """Return a function that creates a machine's control groups and returns the process in them."""

    def build(mount, member, **files):
        """Mount a hierarchy at "{}", put the process in a group, and write the groups' files."""
        place = tmp_path / "groups"
        for group, content in files.items():
            path = place / group.replace("__", "/")
            for name, text in content.items():
                path.mkdir(parents=True, exist_ok=True)
                (path / name).write_text(text)
        process = tmp_path / "self"
        process.mkdir()
        (process / "mountinfo").write_text(
            f"22 1 0:20 / /proc rw - proc proc rw\n{mount.format(place)}\n"
        )
        (process / "cgroup").write_text(member)
        return process

    return build


V2 = "31 23 0:28 / {} rw,nosuid shared:9 - cgroup2 cgroup2 rw"
V1 = "32 31 0:29 / {} rw,relatime - cgroup cgroup rw,cpu,cpuacct"


def v2(text):
    return {"cpu.max": text}


def v1(quota, period="100000"):
    return {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("max 100000\n", 16),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("9900000 100000", 16),
        ("1000 100000", 1),
    ],
)
def test_a_share_bounds_the_cores(machine, content, expected):
    """Part of a core counts as one; a container sees its own group at the top."""
    assert expected == usable_cores(machine(V2, "0::/\n", **{".": v2(content)}))


def test_a_unit_has_a_group_of_its_own(machine):
    """As systemd makes it for CPUQuota; the machine's own group has no bound."""
    process = machine(
        V2,
        "0::/system.slice/glyph.service\n",
        **{"system.slice__glyph.service": v2("300000 100000")},
    )

    assert 3 == usable_cores(process)


def test_the_smallest_share_on_the_way_up_counts(machine):
    """A slice may be bounded more than the unit in it."""
    process = machine(
        V2,
        "0::/jobs.slice/glyph.service\n",
        **{"jobs.slice__glyph.service": v2("800000 100000"), "jobs.slice": v2("400000 100000")},
    )

    assert 4 == usable_cores(process)


@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("250000", 3), ("50000", 1)])
def test_the_first_version_of_control_groups_is_read(machine, quota, expected):
    """Of several hierarchies, the one that shares out cores."""
    process = machine(
        V1,
        "9:name=systemd:/x\n4:cpu,cpuacct:/box\n0::/\n",
        box=v1(quota),
        x=v1("100000"),
    )

    assert expected == usable_cores(process)


def test_a_container_may_see_only_its_own_group(machine):
    """The path of its membership is then the machine's, from further up than the mount."""
    mount = "32 31 0:29 /docker/1a2b {} ro - cgroup cgroup rw,cpu"
    process = machine(mount, "4:cpu:/docker/1a2b/unit\n", **{".": v1("200000"), "unit": v1("-1")})

    assert 2 == usable_cores(process)


@pytest.mark.parametrize("content", ["", "soon", "1 2 3", "100000 0"])
def test_what_cannot_be_read_bounds_nothing(machine, content):
    """A file that tells nothing is no bound."""
    assert 16 == usable_cores(machine(V2, "0::/\n", **{".": v2(content)}))


def test_without_control_groups_every_core_counts(tmp_path, machine):
    """On a machine without them, or without /proc."""
    assert 16 == usable_cores(tmp_path)
    assert 16 == usable_cores(machine("33 1 0:1 / {} rw - tmpfs tmpfs rw", "0::/\n"))
