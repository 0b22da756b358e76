"""How processes are started again: with growing pauses, and no failure ends their parent."""

from __future__ import annotations

import errno

import pytest

from app.server.spawning import Backoff, Spawning


@pytest.fixture
def told():
    return []


@pytest.fixture
def starts():
    """Return the outcomes of the next starts: a process id, or an error."""
    return []


@pytest.fixture
def make(starts, told, clock):
    """Return a function that builds the part under test."""

    def spawn():
        outcome = starts.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def build(**options):
        return Spawning(
            spawn, "a worker", prepare=lambda: None, notify=told.append, clock=clock, **options
        )

    return build


def test_the_wait_grows_with_failures_and_is_bounded(clock):
    """The first two cost none: a process may be killed, and the next too."""
    backoff = Backoff(clock)

    assert [0, 0, 0.5, 1, 2, 4, 8, 10, 10] == [backoff.failed() for _ in range(9)]
    assert backoff.holds
    clock.tick(10)
    assert not backoff.holds


def test_old_failures_are_forgotten(clock):
    """After a minute."""
    backoff = Backoff(clock)
    for _ in range(5):
        backoff.failed()
    clock.tick(60)

    assert (0, 1) == (backoff.failed(), backoff.count)


def test_a_start_is_a_start(make, starts, told):
    """Nothing is told of it."""
    starts += [7, None]
    spawning = make()

    assert (7, None, []) == (spawning(), spawning(), told)


@pytest.mark.parametrize(
    "problem",
    [OSError(errno.EAGAIN, "Resource temporarily unavailable"), RuntimeError("no directory")],
)
def test_a_failure_is_told_and_not_raised(make, starts, told, problem):
    """The master would end for it; it asks again a second later."""
    starts += [problem, 7]
    spawning = make()

    assert (None, 7) == (spawning(), spawning())
    assert [
        f"a worker cannot be started: {problem}; the next try is now (1 failed within 60 s)"
    ] == told


def test_while_it_is_too_soon_nothing_is_started(make, starts, told, clock):
    """The log has a line for each failure, and none for each time that it was asked."""
    starts += [OSError("full")] * 3 + [7]
    spawning = make()
    outcomes = [spawning() for _ in range(10)]
    clock.tick(0.5)

    assert [None] * 10 == outcomes
    assert 3 == len(told)
    assert "the next try is in 0.5 s" in told[-1]
    assert 7 == spawning()


def test_an_early_end_is_a_failure(make, starts, told, clock):
    """A later one is not."""
    starts += [7, 8]
    spawning = make()
    born = clock()
    clock.tick(2.9)
    spawning.ended(born)
    clock.tick(0.2)
    spawning.ended(born)

    assert [
        "a worker ended soon after its start; the next try is now (1 failed within 60 s)"
    ] == told


def test_the_next_start_of_one_alone_tells_of_the_last_ones_end(make, starts, told, clock):
    """Nobody tells of it otherwise."""
    starts += [7, 8, 9]
    spawning = make(alone=True)
    spawning()
    clock.tick(1)
    spawning()
    clock.tick(60)
    spawning()

    assert 1 == len(told)


def test_what_every_start_needs_may_fail_too(told, clock):
    """As a directory that cannot be made."""

    def prepare():
        raise PermissionError(errno.EACCES, "Permission denied", "/run/glyph")

    spawning = Spawning(lambda: 7, "a worker", prepare=prepare, notify=told.append, clock=clock)

    assert spawning() is None
    assert "'/run/glyph'" in told[0]
