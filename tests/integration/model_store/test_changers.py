"""Several processes change one control document at once, and some of them are killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore
from model_store.operations import labels_and_traffic
from tests.integration.model_store.publisher import publish

PROGRAM = Path(__file__).with_name("changer.py")
CHANGES = 30


class Changer:
    """A process that changes labels until it is killed."""

    def __init__(self, store: ModelStore, name: str) -> None:
        command = [sys.executable, PROGRAM, store.root, name]
        self.name = name
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def made(self) -> int:
        """Wait for its next change; gives how many it has made."""
        return int(self._process.stdout.readline())

    def kill(self) -> int:
        """Kill it; gives how many changes it said it had made."""
        self._process.kill()
        said, _ = self._process.communicate()
        return int((said.splitlines() or ["0"])[-1])

    def close(self) -> None:
        """Kill it, if that was not done."""
        if self._process.returncode is None:
            self.kill()


@pytest.fixture
def store(tmp_path) -> ModelStore:
    """Return a store with one version."""
    store = ModelStore(tmp_path / "models")
    publish(store)
    return store


@pytest.fixture
def start(store):
    """Return a function that starts changers; they are killed at the end."""
    with contextlib.ExitStack() as started:

        def start(name: str) -> Changer:
            return started.enter_context(contextlib.closing(Changer(store, name)))

        yield start


def wait_for(changers, n: int) -> dict[str, int]:
    """Let each make n changes, then kill it; gives how many each said it made."""
    for changer in changers:
        for _ in range(n):
            made = changer.made()
    return {changer.name: max(made, changer.kill()) for changer in changers}


def test_processes_that_change_at_once_lose_nothing(store, start):
    """Generations have no gap, each builds on the one before, and every change is there."""
    said = wait_for([start(name) for name in ("ann", "bob", "eve")], CHANGES)

    history = store.history("mnist")
    assert list(range(1, len(history) + 1)) == [change.generation for change in history]
    labels: dict[str, int] = {}
    for change in history:
        labels |= {change.label: 1}
        assert labels == change.control.labels
    for name, number in said.items():
        made = [change.label for change in history if change.by == name]
        assert len(made) >= number >= CHANGES
        assert [f"{name}-{n}" for n in range(1, len(made) + 1)] == made
    turns = sum(before.by != after.by for before, after in itertools.pairwise(history))
    assert turns > len(said)  # else they did not meet


def test_killed_processes_leave_a_whole_document(store, start):
    """The next change finds all that was said to be made, and clears away what they left."""
    said = {}
    for round_ in range(5):
        said |= wait_for([start(f"{name}{round_}") for name in ("ann", "bob")], 3)

    labels_and_traffic.label(store, "mnist", "last", 1, force=True)

    labels = store.control("mnist").labels
    for name, number in said.items():
        assert {f"{name}-{n}" for n in range(1, number + 1)} <= set(labels)
    control = store.root / "mnist" / "control"
    assert [] == [path.name for path in control.iterdir() if path.name.startswith(".")]
    assert labels == json.loads((store.root / "mnist" / "labels.json").read_text())
