"""Background work: its outcome goes to its callback, after callers have theirs."""

from __future__ import annotations

from app.host.batching.background import BackgroundTask, route_results
from app.ipc.frames import Refusal, Refused

FIRST, SECOND, THIRD, FOURTH = (Refused(Refusal.FAILED, 0.0, text) for text in "abcd")


class FakeBackgroundTask(BackgroundTask):
    """Notes what it gets in a list that it shares with callers."""

    def __init__(self, noted: list) -> None:
        self.noted = noted

    def answered(self, outcome):
        self.noted.append((self, outcome))


def test_callers_get_theirs_first():
    """What is no task's is handed on, in order and at once, before tasks get their outcomes."""
    noted: list = []
    one, other = FakeBackgroundTask(noted), FakeBackgroundTask(noted)
    deliver = route_results(noted.append)
    deliver([(one, FIRST), ("a", SECOND), (other, THIRD), ("b", FOURTH)])

    assert [[("a", SECOND), ("b", FOURTH)], (one, FIRST), (other, THIRD)] == noted


def test_callers_are_not_troubled_with_tasks():
    """Nothing is handed on where there is nothing for them."""
    noted: list = []
    task = FakeBackgroundTask(noted)
    route_results(noted.append)([(task, FIRST)])

    assert [(task, FIRST)] == noted
