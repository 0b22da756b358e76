"""Every call of a bounded store ends, whatever the file system below does."""

from __future__ import annotations

import inspect
import os
import threading
from datetime import UTC, datetime

import pytest

from model_store import ModelStore, StoreError, StoreUnavailableError
from model_store.operations import operations
from model_store.stores.bounded import _ASKED, MOST_STUCK, bounded
from model_store.stores.protocol import Store

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SENTENCE = (
    "does not answer: it was asked for the versions of mnist at 2026-06-01 12:00:00 UTC, "
    "and there is no answer yet"
)
SAFETY_S = 10
"""How long a test waits for what must come at once."""
SHORT_S = 0.01


class Hanging(ModelStore):
    """A store on a file system that may stop to answer, for as long as a test wants."""

    def __init__(self, root, gate, asked):
        super().__init__(root)
        self.gate = gate
        self.asked = asked

    def versions(self, model):
        self.asked.append(threading.current_thread())
        assert self.gate.wait(SAFETY_S)
        return super().versions(model)

    def _history(self, model):
        history = super()._history(model)
        newest = history.newest

        def hang():
            self.asked.append(threading.current_thread())
            assert self.gate.wait(SAFETY_S)
            return newest()

        history.newest = hang
        return history


class Place:
    """A store, its file system, and the clock."""

    def __init__(self, root) -> None:
        self.root = root
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[threading.Thread] = []
        self.opened = 0
        self.seconds = 0.0
        self.store = bounded(
            self.open,
            answer_s=SHORT_S,
            transfer_s=SAFETY_S,
            clock=lambda: self.seconds,
            now=lambda: NOON,
        )

    def open(self) -> Hanging:
        self.opened += 1
        return Hanging(self.root, self.gate, self.asked)

    def hang(self) -> None:
        """Ask while nothing is answered."""
        self.gate.clear()
        with pytest.raises(StoreUnavailableError):
            self.store.versions("mnist")

    def heal(self) -> None:
        """Answer again, and let those that were left behind end."""
        self.gate.set()
        for thread in self.asked:  # that were left behind
            thread.join(SAFETY_S)


@pytest.fixture
def place(store, publish):
    publish()
    place = Place(store.root)
    yield place
    place.gate.set()


def patient(place: Place) -> Store:
    """Return a bounded store with enough time for any answer."""
    return bounded(place.open, answer_s=SAFETY_S, transfer_s=SAFETY_S)


def test_what_is_answered_is_passed_on(place):
    """Results and refusals alike."""
    store = patient(place)

    assert [1] == store.versions("mnist")
    assert str(place.root) == store.location
    with pytest.raises(StoreError, match="mnist has no version 7"):
        store.metadata("mnist", 7)


def test_every_method_is_bounded_but_those_of_publishers():
    """A method that is added to stores is added here."""
    methods = {name for name, _ in inspect.getmembers(Store, inspect.isfunction)}

    assert {"draft"} == {name for name in methods if not name.startswith("_")} - set(_ASKED)
    assert set(_ASKED) <= methods


def test_what_is_not_answered_is_a_sentence(place):
    """It names the store, what it was asked, and since when there is no answer."""
    place.gate.clear()

    with pytest.raises(StoreUnavailableError) as caught:
        place.store.versions("mnist")

    assert f"{place.root} {SENTENCE}" == str(caught.value)


def test_while_a_call_hangs_others_are_refused_at_once(place):
    """With the same sentence, and without a further thread."""
    place.hang()

    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match="it was asked for the versions of mnist"):
            place.store.control("mnist")

    assert 1 == len(place.asked)


def test_a_store_that_answers_again_is_asked_again(place):
    """At once, with no pause to wait for."""
    place.hang()
    place.heal()
    place.store._limits["versions"] = SAFETY_S

    assert [1] == place.store.versions("mnist")


def test_a_call_that_never_returns_does_not_end_the_store(place):
    """After a pause another one is tried, with an instance of its own, and may succeed."""
    place.hang()
    stuck = place.gate
    place.gate = threading.Event()
    place.gate.set()
    place.store._store.gate = place.gate
    place.seconds = 11
    place.store._limits["versions"] = SAFETY_S

    assert [1] == place.store.versions("mnist")
    assert [1] == place.store.versions("mnist")
    assert 2 == place.opened
    stuck.set()


def test_what_never_returns_is_tried_less_and_less_often(place):
    """The pauses double to five minutes, and the threads left behind are bounded."""
    place.hang()
    tries = []
    for second in range(0, 10_000, 10):
        place.seconds = float(second)
        before = len(place.asked)
        with pytest.raises(StoreUnavailableError, match="for the versions of mnist"):
            place.store.versions("mnist")
        if len(place.asked) > before:
            tries.append(second)

    assert [10, 30, 70, 150, 310, 610, 910] == tries[:7]
    assert MOST_STUCK == 1 + len(tries)


def test_an_edit_may_ask_the_store(place):
    """As a promotion does, in the thread that carries the change out."""
    store = patient(place)
    change = operations.promote(store, "mnist", 1, force=True, by="ann")

    assert {"stable": 1} == change.control.labels
    assert change == store.history("mnist")[0]


def test_a_change_whose_author_was_told_that_it_failed_is_not_made(place):
    """Where it is still possible to stop it; the sentence promises nothing."""
    place.gate.clear()

    with pytest.raises(StoreUnavailableError, match="the change may be made all the same"):
        operations.unload(place.store, "mnist", by="ann")
    place.heal()

    assert [] == ModelStore(place.root).history("mnist")


def test_threads_wait_for_their_turn(place):
    """An instance of a store is not for several threads."""
    place.gate.clear()
    store = patient(place)
    threads = [threading.Thread(target=store.versions, args=("mnist",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    place.gate.set()
    for thread in threads:
        thread.join(SAFETY_S)

    assert [False, False] == [thread.is_alive() for thread in threads]
    assert 2 == len(place.asked)


def test_the_thread_that_asks_gives_way_as_its_caller_does(place):
    """Hashing a version must not take the core from requests."""
    priorities = []

    class Noting(Hanging):
        def versions(self, model):
            priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().versions(model)

    store = bounded(lambda: Noting(place.root, place.gate, place.asked), answer_s=SAFETY_S)

    def ask():
        store.versions("mnist")
        own = threading.get_native_id()
        present = os.getpriority(os.PRIO_PROCESS, own)
        os.setpriority(os.PRIO_PROCESS, own, min(present + 1, 19))
        store.versions("mnist")
        store.versions("mnist")

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(SAFETY_S)
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    lower = min(usual + 1, 19)

    assert [usual, lower, lower] == priorities
