"""A look at the store that does not end is noticed, and told once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from app.host.lifecycle.poll_watchdog import LATE_S, LookWatchdog

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SENTENCE = "no look at the store has ended since 2026-06-01 11:58:20 UTC"


class Looks:
    """Looks of any age, and what was told of them."""

    def __init__(self) -> None:
        self.age_s = 0.0
        self.told: list[str | None] = []
        thread = threading.current_thread()
        self.watchdog = LookWatchdog(lambda: self.age_s, self.told.append, thread, lambda: NOON)

    def check(self, *ages: float) -> None:
        for age in ages:
            self.age_s = age
            self.watchdog.check()


@pytest.fixture
def looks() -> Looks:
    return Looks()


def test_looks_that_end_are_not_told(looks):
    """However long one takes, within reason."""
    looks.check(0.1, LATE_S, 0.2)

    assert [] == looks.told


def test_a_look_that_does_not_end_is_told_once_with_where_the_watcher_is(looks, caplog):
    """The stack in the log names the call that hangs."""
    looks.check(100, 105, 110)

    assert [f"{SENTENCE}; what is loaded serves on"] == looks.told
    (line,) = caplog.messages
    assert line.startswith(f"{SENTENCE}; the watcher is here:\n")
    assert "test_poll_watchdog.py" in line


def test_it_is_told_that_looks_end_again(looks):
    """And the next one that does not is told anew."""
    looks.check(100, 0.1, 100)

    assert [True, False, True] == [sentence is not None for sentence in looks.told]
