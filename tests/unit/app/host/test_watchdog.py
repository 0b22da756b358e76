"""When the host must end: its loop is stuck, or it has grown beyond its bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.host.watchdog import Watchdog, resident_bytes


class FakeHost:
    """A host whose loop turns between two looks, unless it is stuck."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.stuck = False
        self.mib = 100
        self.waited_s = 0.0
        self._heartbeats = 0

    def heartbeats(self) -> int:
        self._heartbeats += not self.stuck
        return self._heartbeats

    def watch(self, *, limit_mib: int = 0) -> Watchdog:
        return Watchdog(
            self.heartbeats,
            stuck_s=3,
            waited=lambda: self.waited_s,
            limit_mib=limit_mib,
            resident=lambda: self.mib * 2**20,
            clock=self.clock,
        )


@pytest.fixture
def host(clock) -> FakeHost:
    return FakeHost(clock)


def test_a_host_whose_loop_turns_is_left_alone(host):
    """However often one looks."""
    watchdog = host.watch()

    assert {None} == {watchdog.check() for _ in range(10)}


def test_a_stuck_loop_ends_the_host(host):
    """After as many looks as were allowed, counted from its last turn."""
    watchdog = host.watch()
    host.stuck = True
    looks = [watchdog.check() for _ in range(2)]
    host.stuck = False
    looks.append(watchdog.check())
    host.stuck = True
    looks += [watchdog.check() for _ in range(3)]

    assert [*[None] * 5, "its loop has not turned for 3 s"] == looks


def test_a_loop_that_waits_for_a_core_is_not_stuck(host):
    """Beside busy processes a batch may take long; that is not the host's fault."""
    watchdog = host.watch()
    host.stuck = True
    looks = []
    for _ in range(8):
        host.waited_s += 0.75
        looks.append(watchdog.check())
    looks += [watchdog.check() for _ in range(1)]

    assert [*[None] * 8, "its loop has not turned for 3 s"] == looks


TOO_LARGE = "the model host takes 201 MiB of memory; the limit is 200 (GLYPH_HOST_MEMORY_MIB)"


def test_a_host_that_grew_too_large_is_ended(host):
    """Unless it shrinks again soon; the reason says what it takes and what it may."""
    watchdog = host.watch(limit_mib=200)
    host.clock.tick(60)
    sizes = [200, 201, 201, 200, 201, 201, 201]
    looks = []
    for host.mib in sizes:
        looks.append(watchdog.check())

    assert [*[None] * 6, TOO_LARGE] == looks


def test_a_young_host_may_be_large(host):
    """Else a limit below what a model needs would leave no time to serve."""
    host.mib = 201
    watchdog = host.watch(limit_mib=200)
    host.clock.tick(29)
    young = [watchdog.check() for _ in range(5)]
    host.clock.tick(1)
    old = [watchdog.check() for _ in range(3)]

    assert ([None] * 5, [None, None, TOO_LARGE]) == (young, old)


def test_without_a_limit_memory_is_not_judged(host):
    """0 is no limit."""
    watchdog = host.watch()
    host.clock.tick(60)
    host.mib = 2**20

    assert watchdog.check() is None


def test_the_memory_of_this_process_is_told():
    """As the kernel counts it: at least an interpreter, and no more than the machine has."""
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024

    assert 10 * 2**20 < resident_bytes() < total


def test_where_the_system_does_not_tell_nothing_is_taken(monkeypatch):
    """Such a system has no /proc."""
    monkeypatch.setattr(Path, "read_text", _refuse)

    assert 0 == resident_bytes()


def _refuse(_path):
    raise FileNotFoundError
