"""Several processes publish into one store, and some of them are killed."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore

PROGRAM = Path(__file__).with_name("publisher.py")
ROUNDS = 5
AT_ONCE = 4


class Publishers:
    """Processes that publish into a store until they are killed."""

    def __init__(self, store: ModelStore, n: int) -> None:
        command = [sys.executable, PROGRAM, store.root, str(n)]
        self._parent = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    @functools.cached_property
    def pids(self) -> list[int]:
        """Wait until all have been started; numbers that were printed before are passed over."""
        lines = iter(self._parent.stdout.readline, "")
        words = next(line.split() for line in lines if line.startswith("started "))
        return random.sample([int(pid) for pid in words[1:]], len(words) - 1)

    def published(self) -> int:
        """Wait for the next version that one of them says it has published."""
        return int(self._parent.stdout.readline())

    def go_on(self, seconds: float) -> None:
        """Leave them alone for a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._parent.wait(seconds)

    def close(self) -> None:
        """Kill them all, and the process that started them."""
        if self._parent.returncode is None:
            os.killpg(self._parent.pid, signal.SIGKILL)
            self._parent.communicate()


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def start(store):
    """Return a function that starts publishers; those that live at the end are killed."""
    with contextlib.ExitStack() as started:

        def start(n: int) -> Publishers:
            publishers = started.enter_context(contextlib.closing(Publishers(store, n)))
            assert n == len(publishers.pids)
            return publishers

        yield start


def drafts(store: ModelStore) -> set[str]:
    return {path.name for path in (store.root / "mnist").glob(".draft-*")}


def test_publishers_at_once_get_different_numbers(store, start):
    """No number is given twice, none is left out, and both publishers got some."""
    publishers = start(2)
    pids = set(publishers.pids)
    authors = set()
    while authors != pids:
        numbers = [publishers.published() for _ in range(20)]
        authors |= {store.metadata("mnist", number).seed for number in numbers}
        assert len(numbers) == len(set(numbers))

    publishers.close()
    versions = store.versions("mnist")
    assert list(range(1, len(versions) + 1)) == versions


def test_a_killed_publisher_leaves_no_broken_version(store, start):
    """Whatever is listed verifies, while twenty publishers are killed at random moments."""
    whole: set[int] = set()
    for _ in range(ROUNDS):
        publishers = start(AT_ONCE)
        for pid in publishers.pids:
            publishers.published()
            publishers.go_on(random.uniform(0, 0.02))  # noqa: S311 - no secret
            os.kill(pid, signal.SIGKILL)
            for version in set(store.versions("mnist")) - whole:
                store.verify("mnist", version)
                assert version == store.metadata("mnist", version).version
                whole.add(version)


def test_the_next_publisher_cleans_up(store, start):
    """What killed publishers left is gone once another has published."""
    while not drafts(store):
        publishers = start(AT_ONCE)
        publishers.published()
        publishers.close()
    left = drafts(store)

    number = start(1).published()

    assert left.isdisjoint(drafts(store))
    store.verify("mnist", number)
