"""Files that counts are in: a full file system costs counts, never the process."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import closing

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app.telemetry.counter_files import LastingCounts, ReservedCounts


@pytest.fixture
def room(monkeypatch):
    """Return a set that is filled to allow writes and emptied to refuse them."""
    left = {"some"}
    allocate = os.posix_fallocate

    def reserve(*args):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(*args)

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    monkeypatch.setattr(LastingCounts, "_logged", -1e9)
    return left


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics" / "counter_7.db"


@pytest.fixture
def counts(path):
    """Return counts in that file."""
    with closing(LastingCounts(str(path))) as lasting:
        yield lasting


def read(path):
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))}


def test_every_page_that_is_mapped_has_room_set_aside(tmp_path):
    """A file with holes would end the process at the first write to one, once the disk is full."""
    path = tmp_path / "counter_7.db"
    with closing(ReservedCounts(str(path))) as counts:
        for number in range(3000):
            counts.write_value(f"key {number}", number, 0.0)

    status = path.stat()
    assert status.st_size > 1 << 16
    assert status.st_blocks * 512 >= status.st_size
    assert 2999 == read(path)["key 2999"]


def test_without_room_for_the_file_none_is_left(path, room):
    """A reader would trip over an empty one."""
    path.parent.mkdir()
    room.clear()

    with pytest.raises(OSError, match="No space"):
        ReservedCounts(str(path))
    assert [] == list(path.parent.iterdir())


def test_counts_outlive_a_full_disk(path, room, counts, caplog):
    """They are in the file again when they next change, and the log has one line."""
    room.clear()
    assert (0.0, 0.0) == counts.read_value("a")
    counts.write_value("a", 1, 0.0)
    room.add("some")
    counts.write_value("a", 2, 0.0)

    assert {"a": 2} == read(path)
    assert 1 == len(caplog.records)
    assert "counters cannot be written, /metrics is incomplete" in caplog.text
    assert "No space left on device" in caplog.text


def test_a_file_that_cannot_grow_keeps_what_it_has(path, room, counts):
    """New keys wait, and the old ones are counted on."""
    counts.write_value("old", 1, 0.0)
    room.clear()
    for number in range(3000):
        counts.write_value(f"key {number}", 1, 0.0)
    counts.write_value("old", 2, 0.0)

    assert 2 == read(path)["old"]
    assert "key 2999" not in read(path)


def test_a_file_that_was_removed_is_made_again(path, counts):
    """With its directory."""
    counts.write_value("a", 1, 0.0)
    shutil.rmtree(path.parent)
    counts.write_value("a", 2, 0.0)

    assert {"a": 2} == read(path)


def test_a_closed_file_can_be_opened_again(counts):
    """With what it held."""
    counts.write_value("a", 1, 0.5)
    counts.close()

    assert (1, 0.5) == counts.read_value("a")
