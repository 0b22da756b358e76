"""The watcher's thread: what operators ask for is carried out there, one request after another."""

from __future__ import annotations

import os
import threading

import pytest

from app.host.lifecycle.watcher import StoreWatcher
from app.ipc.status import ModelStatus
from model_store import StoreError, StoreUnavailableError
from model_store.operations.admin_request import AdminRequest, CommandError

SAFETY_S = 10
"""How long a thread may take before a test gives up; none takes that long."""


class FakeModel:
    """The versions of a model, as far as the watcher knows them."""

    policy = "latest"

    def __init__(self, name: str) -> None:
        self.name = name
        self.due = False
        self.polls = 0
        self.retries = 0
        self.ready = True
        self.awaited = frozenset()
        self.published = None
        self.closed = False
        self.on_poll = lambda: None

    def sync(self):
        self.polls += 1
        self.on_poll()

    def close(self):
        self.closed = True

    def retry(self):
        self.retries += 1

    def status(self):
        return ModelStatus(
            name=self.name, ready=self.ready, reason=None if self.ready else "it is bad"
        )


class FakeObserver:
    def __init__(self):
        self.polls = 0

    def store(self, *, up):
        pass

    def polled(self):
        self.polls += 1


@pytest.fixture
def model() -> FakeModel:
    return FakeModel("shapes")


@pytest.fixture
def observer() -> FakeObserver:
    return FakeObserver()


@pytest.fixture
def make_watcher(publisher, model, observer):
    publisher.publish()
    return lambda **options: StoreWatcher(
        publisher.store,
        "shapes",
        ["shapes"],
        make=lambda _name, _notify: model,
        announce=lambda _status: None,
        observer=observer,
        **options,
    )


@pytest.fixture
def watcher(make_watcher) -> StoreWatcher:
    return make_watcher()


@pytest.fixture
def ask(watcher):
    """Return a function that makes a request, and returns its result."""

    def run(**request) -> dict:
        outcomes = []
        watcher.submit({"model": "shapes", "by": "ann"} | request, outcomes.append)
        assert [] == outcomes
        watcher.step()
        (outcome,) = outcomes
        return outcome

    return run


@pytest.mark.parametrize(
    ("request_", "field", "expected"),
    [
        ({"action": "unload"}, "unloaded", True),
        ({"action": "load"}, "unloaded", False),
        ({"action": "promote", "version": 1, "force": True}, "labels", {"stable": 1}),
        ({"action": "rollback", "version": 1}, "pinned", 1),
        ({"action": "pin", "version": 1}, "pinned", 1),
        ({"action": "label", "label": "old", "version": 1, "force": True}, "labels", {"old": 1}),
        ({"action": "policy", "policy": "latest:2"}, "policy", "latest:2"),
        ({"action": "policy", "policy": None}, "policy", None),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) and "action" in value else "",
)
def test_what_is_asked_for_is_changed_in_the_store(ask, publisher, request_, field, expected):
    """With who asked and why; then the store is looked at, and the change is told."""
    outcome = ask(reason="because", **request_)

    (change,) = publisher.store.history("shapes")
    assert expected == getattr(change.control, field)
    assert ("ann", "because", request_["action"]) == (change.by, change.reason, change.action)
    assert {
        "ok": True,
        "error": None,
        "change": change.model_dump(mode="json"),
        "unavailable": False,
    } == outcome


def test_a_quarantine_comes_and_goes(ask, publisher, model):
    """A release lets this host try again, too, what it refused by itself."""
    ask(action="quarantine", version=1, reason="odd")
    entry = publisher.store.control("shapes").quarantined[1]
    ask(action="release", version=1)

    assert ("ann", "odd") == (entry.by, entry.reason)
    assert ({}, 1) == (publisher.store.control("shapes").quarantined, model.retries)


@pytest.fixture
def begin(watcher):
    """Return a function that asks for something, and the list of what came of it."""

    def run(**request) -> list[dict]:
        outcomes: list[dict] = []
        watcher.submit({"model": "shapes", "by": "ann"} | request, outcomes.append)
        watcher.step()
        return outcomes

    return run


def test_what_asks_for_a_version_on_trial_is_answered_when_it_has_ended(begin, model, watcher):
    """As if it had been loaded at once."""
    model.awaited = frozenset({1})
    outcomes = begin(action="pin", version=1)
    during = list(outcomes)
    model.awaited = frozenset()
    watcher.poll()

    assert [] == during
    assert [True] == [outcome["ok"] for outcome in outcomes]


def test_what_asks_for_nothing_on_trial_is_answered_at_once(begin, model):
    """A rollback does not wait for the trial of a newer version."""
    model.awaited = frozenset({2})

    assert [True] == [outcome["ok"] for outcome in begin(action="pin", version=1)]


def test_what_waits_for_a_trial_is_turned_away_when_the_host_ends(begin, model, watcher):
    """Nobody waits in vain."""
    model.awaited = frozenset({1})
    outcomes = begin(action="pin", version=1)
    watcher.stop()
    watcher.run(60)

    assert ["the model host is ending"] == [outcome["error"] for outcome in outcomes]
    assert model.closed


def test_a_trial_that_ends_is_looked_at_at_once(watcher, model):
    """The store is looked at seldom where that costs money."""
    polled = threading.Semaphore(0)
    model.on_poll = polled.release
    thread = threading.Thread(target=watcher.run, args=(3600,))
    thread.start()
    first = polled.acquire(timeout=SAFETY_S)
    watcher.wake()
    second = polled.acquire(timeout=SAFETY_S)
    watcher.stop()
    thread.join(SAFETY_S)

    assert (True, True) == (first, second)


def test_a_pin_comes_and_goes(ask, publisher):
    """Unpinned, the policy decides again."""
    ask(action="pin", version=1)
    ask(action="unpin")

    assert publisher.store.control("shapes").pinned is None


def test_shares_of_traffic_come_and_go(ask, publisher):
    """By canary and by shadow; 0 % ends them."""
    ask(action="canary", version=1, percent=10, sticky_header="X-User", force=True)
    ask(action="shadow", version=1, percent=50, force=True)
    control = publisher.store.control("shapes")
    ask(action="canary", percent=0)
    ask(action="shadow", percent=0)
    after = publisher.store.control("shapes")

    assert (10, "X-User", 50) == (
        control.canary.percent,
        control.canary.sticky_header,
        control.shadow.percent,
    )
    assert (None, None) == (after.canary, after.shadow)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"action": "explode"}, "field action: 'explode' is none of promote, rollback,"),
        ({"action": "pin"}, "field version: Field required"),
        ({"action": "pin", "version": "1"}, "field version: Input should be a valid integer"),
        ({"action": "label", "version": 1}, "field label: Field required"),
        ({"action": "canary"}, "field percent: Field required"),
        ({"action": "load", "colour": "red"}, "field colour: Extra inputs are not permitted"),
        ({}, "field action: Field required"),
        ({"action": "load", "model": "letters"}, "no model 'letters' is served here"),
        ({"action": "pin", "version": 9}, "shapes has no version 9 (it has: 1)"),
        ({"action": "unpin"}, "no version of shapes is pinned"),
        ({"action": "policy", "policy": "newest"}, "policy"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(ask, publisher, request_, error):
    """The field, and what is expected; the store is not changed."""
    outcome = ask(**request_)

    assert (False, None, []) == (
        outcome["ok"],
        outcome["change"],
        publisher.store.history("shapes"),
    )
    assert error in outcome["error"]


def test_a_load_that_leads_to_nothing_is_told(ask, model):
    """The change was made; that nothing serves is the answer."""
    model.ready = False
    outcome = ask(action="load")

    assert (False, "it is bad", 1) == (outcome["ok"], outcome["error"], model.retries)


def test_a_bug_is_an_answer_too(ask, watcher, monkeypatch, caplog):
    """Whoever asked does not wait for ever, and the thread lives."""
    monkeypatch.setattr(watcher, "_models", None)
    monkeypatch.setattr(watcher, "poll", lambda: None)
    outcome = ask(action="load")

    assert "AttributeError: " in outcome["error"]
    assert "an operator's command failed" in caplog.messages


def test_requests_that_wait_are_bounded(watcher):
    """What comes on top is refused at once, by the thread that asks."""
    outcomes = []
    for _ in range(33):
        watcher.submit({"action": "load", "model": "shapes", "by": "ann"}, outcomes.append)

    (refused,) = outcomes
    assert "32 other commands are waiting" == refused["error"]


def test_a_request_is_not_kept_waiting_for_the_next_look(watcher, model):
    """The thread wakes for it, however seldom it looks; and for its end."""
    done = threading.Event()
    polled = threading.Event()
    model.on_poll = polled.set
    thread = threading.Thread(target=watcher.run, args=(3600.0,), daemon=True)
    thread.start()
    assert polled.wait(SAFETY_S)
    watcher.submit({"action": "load", "model": "shapes", "by": "ann"}, lambda _outcome: done.set())

    assert done.wait(SAFETY_S)
    watcher.stop()
    thread.join(SAFETY_S)
    assert not thread.is_alive()


def test_requests_that_wait_at_the_end_are_turned_away(watcher, model):
    """Nobody waits for a host that is gone."""
    outcomes = []

    def ask_late():
        watcher.stop()
        watcher.submit({"action": "load", "model": "shapes", "by": "ann"}, outcomes.append)

    model.on_poll = ask_late
    thread = threading.Thread(target=watcher.run, args=(3600.0,), daemon=True)
    thread.start()
    thread.join(SAFETY_S)

    assert ["the model host is ending"] == [outcome["error"] for outcome in outcomes]


@pytest.mark.parametrize(("yields_to_others", "nicer"), [(True, 10), (False, 0)])
def test_the_first_versions_are_loaded_at_full_priority(
    make_watcher, model, yields_to_others, nicer
):
    """Until something serves there is nothing to give way to; then requests go first."""
    watcher = make_watcher(yields_to_others=yields_to_others)
    priorities = []
    model.ready = False

    def note():
        thread = threading.get_native_id()
        priorities.append(os.getpriority(os.PRIO_PROCESS, thread))
        model.ready = len(priorities) > 1
        if len(priorities) == 4:
            watcher.stop()

    model.on_poll = note
    thread = threading.Thread(target=watcher.run, args=(0.0,), daemon=True)
    thread.start()
    thread.join(SAFETY_S)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    lower = min(own + nicer, 19)

    assert [own, own, lower, lower] == priorities


def test_a_probation_asks_for_a_look_every_second(watcher, model, monkeypatch):
    """However seldom the store is looked at otherwise."""
    waits = []

    def wait(seconds):
        waits.append(seconds)
        model.due = not model.due
        if len(waits) == 3:
            watcher.stop()

    monkeypatch.setattr(watcher._wake, "wait", wait)
    thread = threading.Thread(target=watcher.run, args=(60.0,), daemon=True)
    thread.start()
    thread.join(SAFETY_S)

    assert [60.0, 1.0, 60.0] == waits


def test_while_a_look_does_not_end_orders_are_refused_at_once(watcher):
    """Those that wait, too; the status says why, and all is as before when it has ended."""
    outcomes = []
    command = {"action": "load", "model": "shapes", "by": "ann"}
    watcher.submit(command, outcomes.append)
    watcher.overdue("no poll has ended since noon")
    watcher.submit(command, outcomes.append)
    trouble = watcher.status().store_trouble
    watcher.overdue(None)
    watcher.submit(command, outcomes.append)

    expected = {"error": "no poll has ended since noon", "unavailable": True, "ok": False}
    assert [expected | {"change": None}] * 2 == outcomes
    assert ("no poll has ended since noon", None) == (trouble, watcher.status().store_trouble)


def test_looks_that_fail_come_less_and_less_often(watcher, model, observer, monkeypatch):
    """The pause grows to five times the usual one, and is the usual one after a good look."""
    waits = []

    def poll():
        if len(waits) < 4:
            raise StoreError("it is away")

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 5:
            watcher.stop()

    model.on_poll = poll
    monkeypatch.setattr(watcher._wake, "wait", wait)
    watcher.run(1.0)

    assert [2.0, 4.0, 5.0, 5.0, 1.0] == waits
    assert 5 == observer.polls


def test_an_order_that_the_store_does_not_answer_may_be_given_again(ask, publisher, monkeypatch):
    """It is told apart from one that is refused for what the store holds."""

    def fail(*_arguments, **_options):
        raise StoreUnavailableError("the store does not answer")

    monkeypatch.setattr(publisher.store, "change", fail)
    outcome = ask(action="pin", version=1)

    assert (False, "the store does not answer", True) == (
        outcome["ok"],
        outcome["error"],
        outcome["unavailable"],
    )


def test_an_order_is_refused_by_the_store_in_its_own_words(publisher):
    """Such as a promotion of what has not been tried."""
    publisher.publish()
    command = AdminRequest.read({"action": "promote", "model": "shapes", "by": "ann", "version": 1})

    with pytest.raises(StoreError, match="has not passed a trial yet"):
        command.apply(publisher.store, "latest")


def test_who_asks_must_be_named():
    """The audit trail says who did what."""
    with pytest.raises(CommandError, match="field by: Field required"):
        AdminRequest.read({"action": "load", "model": "shapes"})
