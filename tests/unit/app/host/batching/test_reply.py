"""Outcomes go to who is to get them: all of a receiver at once, and a task gets its own."""

from __future__ import annotations

from app.host.batching.reply import BackgroundTask, Reply, deliver
from app.ipc.frames import Refusal, Refused

FIRST, SECOND, THIRD, FOURTH = (Refused(Refusal.FAILED, 0.0, text) for text in "abcd")


class FakeReceiver:
    """Notes what it gets in a list that it shares with tasks."""

    def __init__(self, noted: list) -> None:
        self.noted = noted

    def receive(self, outcomes):
        self.noted.append((self, outcomes))


class FakeBackgroundTask(BackgroundTask):
    """Notes what it gets in a list that it shares with callers."""

    def __init__(self, noted: list) -> None:
        self.noted = noted

    def answered(self, outcome):
        self.noted.append((self, outcome))


def test_receivers_get_theirs_at_once():
    """In order, and the receiver of the first before the others."""
    noted: list = []
    caller, one, other = FakeReceiver(noted), FakeBackgroundTask(noted), FakeBackgroundTask(noted)
    deliver(
        [
            (Reply(caller, 7), SECOND),
            (Reply(one), FIRST),
            (Reply(other), THIRD),
            (Reply(caller, 8), FOURTH),
        ]
    )

    assert [(caller, [(7, SECOND), (8, FOURTH)]), (one, FIRST), (other, THIRD)] == noted


def test_callers_are_not_troubled_with_tasks():
    """A task's outcome is its own."""
    noted: list = []
    task = FakeBackgroundTask(noted)
    deliver([(Reply(task), FIRST)])

    assert [(task, FIRST)] == noted
