"""The counters of dead workers: kept in one place, never lost, never counted twice."""

from __future__ import annotations

import fcntl

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from app.metrics_files import join_dead, unchanged


@pytest.fixture
def count(tmp_path):
    """Give a function that writes what a worker counted."""

    def write(pid, amount, kind="counter", name="made_total"):
        file = MmapedDict(str(tmp_path / f"{kind}_{pid}.db"))
        file.write_value(mmap_key("made", name, [], [], "Things"), amount, 0.0)
        file.close()

    return write


def names(directory):
    return sorted(path.name for path in directory.glob("*.db"))


def total(directory):
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    return generate_latest(registry).decode().splitlines()


def test_what_dead_workers_counted_is_kept_in_one_file(tmp_path, count):
    """However many there were; the living ones' files are theirs."""
    for pid in (1, 2, 3):
        count(pid, pid)
    join_dead(tmp_path, living={3})
    assert ["counter_3.db", "counter_dead.db"] == names(tmp_path)
    assert "made_total 6.0" in total(tmp_path)
    join_dead(tmp_path, living=set())

    assert ["counter_dead.db"] == names(tmp_path)
    assert "made_total 6.0" in total(tmp_path)


def test_gauges_are_not_added_up(tmp_path, count):
    """What a dead worker was doing is over; prometheus_client removes them."""
    count(1, 5, kind="gauge_livesum", name="made")
    join_dead(tmp_path, living=set())

    assert ["gauge_livesum_1.db"] == names(tmp_path)


def test_nothing_is_joined_while_it_is_read(tmp_path, count):
    """A scrape lists the files first, and would miss a count or see it twice."""
    count(1, 5)
    with unchanged(tmp_path):
        join_dead(tmp_path, living=set())
        assert ["counter_1.db"] == names(tmp_path)
    join_dead(tmp_path, living=set())

    assert ["counter_dead.db"] == names(tmp_path)


def test_scrapes_do_not_wait_for_each_other(tmp_path):
    """Many may read at once."""
    with unchanged(tmp_path), (tmp_path / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
