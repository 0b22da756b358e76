"""How often each caller asked, counted over all web workers."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from app.web.middleware.rate_limit_storage import SLOTS, SharedCounts
from tests.unit.app.crowd import THREADS, at_once


@pytest.fixture
def path(tmp_path):
    return tmp_path / "limits"


@pytest.fixture
def counts(path, clock):
    with_file = SharedCounts(path, clock)
    yield with_file
    with_file.close()


@pytest.fixture
def other(path, clock):
    """Open the counts as another worker does."""
    with_file = SharedCounts(path, clock)
    yield with_file
    with_file.close()


def test_every_worker_counts_on(counts, other):
    """It is one count."""
    seen = [worker.add("anna", 60)[0] for worker in (counts, other, other, counts)]

    assert [1, 2, 3, 4] == seen
    assert 4 == other.get("anna")


def test_every_thread_counts_on(counts, monkeypatch):
    """No request of theirs is lost, though all of them hold the file's lock together."""
    find = counts._find

    def slowly(*which):
        found = find(*which)
        time.sleep(0)  # another thread's turn
        return found

    monkeypatch.setattr(counts, "_find", slowly)
    at_once(lambda: [counts.add("anna", 60) for _ in range(100)])

    assert THREADS * 100 == counts.get("anna")


def test_callers_have_counts_of_their_own(counts):
    """One does not use up what is another's."""
    for _ in range(5):
        counts.add("anna", 60)

    assert (1, 5) == (counts.add("bob", 60)[0], counts.get("anna"))


def test_a_window_begins_with_the_first_request(counts, clock):
    """And ends when it is to, however many come."""
    counts.add("anna", 60)
    clock.tick(59)
    before = counts.add("anna", 60)
    clock.tick(1)

    assert ((2, 1.0), 0) == (before, counts.get("anna"))
    assert (1, 60.0) == counts.add("anna", 60)


def test_the_file_never_grows(counts, path, clock):
    """However many callers come; those that came last are counted."""
    before = path.stat().st_size
    for number in range(2 * SLOTS):
        counts.add(f"10.0.{number // 256}.{number % 256}", 60)
        clock.tick(0.001)

    assert before == path.stat().st_size == 32 * SLOTS
    last = [f"10.0.{n // 256}.{n % 256}" for n in range(2 * SLOTS - 100, 2 * SLOTS)]
    assert [1] * 100 == [counts.get(name) for name in last]


def test_counts_that_are_over_give_their_place_first(counts, clock):
    """A caller that goes on asking is not forgotten for strangers that came once, before it."""
    for number in range(2 * SLOTS):
        counts.add(f"before-{number}", 1)
    clock.tick(1)
    for _ in range(7):
        counts.add("anna", 3600)
    for number in range(SLOTS // 4):
        counts.add(f"after-{number}", 60)

    assert 7 == counts.get("anna")


def test_a_worker_that_holds_the_lock_for_good_stops_nobody(counts, path):
    """It may have been stopped; who comes is counted all the same."""
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)

    assert [1, 2] == [counts.add("anna", 60)[0], counts.add("anna", 60)[0]]
    os.close(holder)


def test_a_process_of_its_own_needs_no_file(clock):
    """It counts in memory."""
    counts = SharedCounts(None, clock)
    counts.add("anna", 60)

    assert 1 == counts.get("anna")
    counts.close()


def test_without_room_for_the_file_a_worker_counts_alone(path, clock, monkeypatch, caplog):
    """A page of the map that has no room would end it, with SIGBUS."""
    allocate = os.posix_fallocate

    def full(file, *args):
        if Path(f"/proc/self/fd/{file}").readlink() == path:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(file, *args)

    monkeypatch.setattr(os, "posix_fallocate", full)
    counts = SharedCounts(path, clock)

    assert [1, 2] == [counts.add("anna", 60)[0], counts.add("anna", 60)[0]]
    assert "rate limits are counted by this web worker alone" in caplog.text
    counts.close()


def test_every_page_of_the_file_has_room_set_aside(counts, path):  # noqa: ARG001 - it made the file
    """A file with holes would end the process at the first write to one, once the disk is full."""
    assert path.stat().st_blocks * 512 >= path.stat().st_size
