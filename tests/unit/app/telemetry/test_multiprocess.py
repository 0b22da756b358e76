"""The counters of dead workers: kept in one place, never lost, never counted twice."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from app.telemetry.multiprocess import is_sibling, join_dead, unchanged


@pytest.fixture
def count(tmp_path):
    """Return a function that writes the counts of a worker."""

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


def nobody(_pid):
    return False


def test_what_dead_workers_counted_is_kept_in_one_file(tmp_path, count):
    """However many there were; the living ones' files are theirs."""
    for pid in (1, 2, 3):
        count(pid, pid)
    join_dead(tmp_path, lives={3}.__contains__)
    assert ["counter_3.db", "counter_dead.db"] == names(tmp_path)
    assert "made_total 6.0" in total(tmp_path)
    join_dead(tmp_path, lives=nobody)

    assert ["counter_dead.db"] == names(tmp_path)
    assert "made_total 6.0" in total(tmp_path)


def test_gauges_are_not_added_up(tmp_path, count):
    """What a dead worker was doing is over."""
    count(1, 5, kind="gauge_livesum", name="made")
    count(2, 5, kind="gauge_livesum", name="made")
    join_dead(tmp_path, lives={2}.__contains__)

    assert ["gauge_livesum_2.db"] == names(tmp_path)


def test_nothing_is_joined_while_it_is_read(tmp_path, count):
    """A scrape lists the files first, and would miss a count or see it twice."""
    count(1, 5)
    with unchanged(tmp_path):
        join_dead(tmp_path, lives=nobody)
        assert ["counter_1.db"] == names(tmp_path)
    join_dead(tmp_path, lives=nobody)

    assert ["counter_dead.db"] == names(tmp_path)


def test_scrapes_do_not_wait_for_each_other(tmp_path):
    """Many may read at once."""
    with unchanged(tmp_path), unchanged(tmp_path):
        pass


def test_without_room_nothing_is_added_or_removed(tmp_path, count, monkeypatch):
    """It is added once there is room, and once only."""
    count(1, 5)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space"):
            join_dead(tmp_path, lives=nobody)
    assert ["counter_1.db"] == names(tmp_path)
    join_dead(tmp_path, lives=nobody)

    assert "made_total 5.0" in total(tmp_path)


def test_siblings_have_the_same_parent():
    """Any other process of that number is another's, or the number was given again."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    alive = is_sibling(child.pid)
    child.communicate(b"\n")

    assert is_sibling(os.getpid())
    assert not alive
    assert not is_sibling(child.pid)


def test_a_scrape_does_not_wait_for_a_process_that_is_stopped_while_it_joins(tmp_path, monkeypatch):
    """A count that is missed or seen twice is better than none."""
    pauses = []
    monkeypatch.setattr("app.telemetry.multiprocess.time.sleep", pauses.append)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with unchanged(tmp_path):
        reads = True
    os.close(holder)

    assert reads
    assert pauses
