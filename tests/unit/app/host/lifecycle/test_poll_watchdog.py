"""A look at the store that does not end is noticed, and told once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from app.host.lifecycle.poll_watchdog import LATE_S, PollWatchdog

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SENTENCE = "no store poll has ended since 2026-06-01 11:58:20 UTC"


class Polls:
    """Polls of any age, and what was told of them."""

    def __init__(self) -> None:
        self.age_s = 0.0
        self.told: list[str | None] = []
        thread = threading.current_thread()
        self.watchdog = PollWatchdog(lambda: self.age_s, self.told.append, thread, lambda: NOON)

    def check(self, *ages: float) -> None:
        for age in ages:
            self.age_s = age
            self.watchdog.check()


@pytest.fixture
def polls() -> Polls:
    return Polls()


def test_looks_that_end_are_not_told(polls):
    """However long one takes, within reason."""
    polls.check(0.1, LATE_S, 0.2)

    assert [] == polls.told


def test_a_poll_that_does_not_end_is_told_once_with_where_the_watcher_is(polls, caplog):
    """The stack in the log names the call that hangs."""
    polls.check(100, 105, 110)

    assert [f"{SENTENCE}; loaded versions keep serving"] == polls.told
    (line,) = caplog.messages
    assert line.startswith(f"{SENTENCE}; stack of the watcher's thread:\n")
    assert "test_poll_watchdog.py" in line


def test_it_is_told_that_looks_end_again(polls):
    """And the next one that does not is told anew."""
    polls.check(100, 0.1, 100)

    assert [True, False, True] == [sentence is not None for sentence in polls.told]
