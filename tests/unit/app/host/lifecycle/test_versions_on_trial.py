"""A version is tried in a process of its own; until it has passed, nothing changes for callers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.host.lifecycle.crash_journal import LOADS, STRIKES
from app.host.loading.verdict import Failed
from model_store import Quarantine
from tests.unit.app.host.lifecycle.test_reconciler import SHAPES, Watch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CRASHED = "its trial crashed with SIGSEGV"


@pytest.fixture
def runtime(make_runtime):
    return make_runtime("fake f32")


@pytest.fixture
def make_watch(publisher, clock, runtime):
    """Return a function that makes the watcher of the next host."""
    return lambda **options: Watch(publisher.store, clock, runtime, **options)


@pytest.fixture
def watch(publisher, make_watch) -> Watch:
    """Return a watcher of a model whose version 1 serves and whose version 2 is new."""
    made = make_watch()
    publisher.publish()
    made.poll()
    publisher.publish()
    return made


def digest(watch, version):
    return watch.store.manifest(SHAPES, version).digest


def die_loading(host, version_digest):
    """End a host in the middle of a load."""
    block = host.journal.loading(version_digest)
    host.loads = block  # held, for else its end would be reached
    block.__enter__()


def test_what_serves_goes_on_while_a_version_is_tried(watch):
    """However long that takes; the look itself waits for nothing."""
    watch.trials.held = {2}
    for _ in range(3):
        watch.poll()

    assert {2: "loading", 1: "serving"} == watch.states
    assert (1, []) == (watch.shapes.default, watch.engine.retiring)
    assert [1, 2] == [trial.version for trial in watch.trials.begun]


def test_a_version_serves_once_it_has_passed(watch):
    """At the look after its verdict."""
    watch.trials.held = {2}
    watch.poll()
    watch.trials.begun[-1].held = False
    watch.poll()

    assert {2: "serving", 1: "retiring"} == watch.states
    assert SHAPES == watch.trials.ended[-1]


def test_a_trial_that_dies_is_a_verdict(watch, make_watch):
    """It is quarantined by its digest, and the next host does not try it."""
    watch.trials.verdicts[2] = Failed(reason=CRASHED, digest=digest(watch, 2), lasting=True)
    watch.poll()
    following = make_watch()
    following.poll()

    assert (CRASHED, 1) == (watch.reason(2), watch.shapes.default)
    assert digest(watch, 2) == watch.store.control(SHAPES).quarantined[2].digest
    assert ({2: "refused", 1: "serving"}, []) == (following.states, following.trials.begun)


def test_while_another_models_version_is_tried_this_one_waits(watch):
    """One trial at a time; it is worth waiting for."""
    watch.trials.busy = True
    watch.poll()
    waiting = watch.watcher._models[SHAPES].awaited
    watch.trials.busy = False
    watch.poll()

    assert {2} == waiting
    assert 2 == watch.shapes.default


def test_the_first_version_on_trial_is_worth_waiting_for(make_watch, publisher):
    """The service is starting, whether its trial runs or waits for another's."""
    publisher.publish()
    watch = make_watch()
    watch.trials.busy = True
    watch.poll()

    assert (False, True) == (watch.status.ready, watch.status.starting)


@pytest.mark.usefixtures("watch")
def test_nothing_is_tried_before_what_served_serves_again(make_watch):
    """The next host loads the version that has passed, without a trial, and then tries the new."""
    following = make_watch()
    following.trials.held = {2}
    following.poll()

    assert {2: "loading", 1: "serving"} == following.states
    assert (1, [2]) == (following.shapes.default, [t.version for t in following.trials.begun])


def test_the_pinned_version_that_has_passed_is_loaded_first(watch, make_watch):
    """It is the default of the next host, and the newest is loaded for its label."""
    watch.poll()
    watch.change(pinned=1, labels={"next": 2})
    following = make_watch()
    following.poll()

    assert ["jobs to 1"] == [line for line in following.story if line.startswith("jobs")]
    assert [2] == [trial.version for trial in following.trials.begun]


def test_a_version_whose_load_a_host_did_not_outlive_is_tried_first(make_watch, publisher):
    """That it has passed once, here or elsewhere, is not enough."""
    publisher.publish()
    watch = make_watch()
    watch.poll()
    die_loading(watch, digest(watch, 1))
    following = make_watch()
    following.poll()

    assert [1] == [trial.version for trial in following.trials.begun]
    assert {1: "serving"} == following.states


def test_a_version_whose_loads_no_host_outlives_is_refused_for_a_while(
    make_watch, publisher, clock
):
    """It passes its trial and does not fit beside what serves: this machine may lack memory."""
    publisher.publish()
    hosts = []
    for _ in range(LOADS):
        hosts.append(make_watch())
        die_loading(hosts[-1], publisher.store.manifest(SHAPES, 1).digest)
    watch = make_watch()
    watch.poll()
    refused = watch.reason(1)
    clock.tick(60)
    watch.poll()

    sentence = f"{len(hosts)} model hosts ended while they loaded it, though it passed its trial"
    assert sentence == refused
    assert {} == publisher.store.control(SHAPES).quarantined
    assert {1: "serving"} == watch.states


def test_what_a_machine_lacks_is_tried_again_after_a_growing_while(watch, clock):
    """The store holds nothing against it: other hosts may have more memory."""
    short = Failed(reason="too little memory", lasting=False, transient=True)
    watch.trials.verdicts[2] = short
    tries = []
    for _ in range(200):
        watch.poll()
        clock.tick(1)
        tries.append(len([t for t in watch.trials.begun if t.version == 2]))
    del watch.trials.verdicts[2]
    clock.tick(600)
    watch.poll()

    assert {} == watch.store.control(SHAPES).quarantined
    assert (2, 3, 4, 5) == (tries[10], tries[20], tries[50], tries[100])
    assert {2: "serving"} == {v: s for v, s in watch.states.items() if s == "serving"}


def test_a_version_for_which_there_is_no_room_is_let_go(watch, clock):
    """The host would be replaced, again and again; it is tried again when there may be room."""
    watch.excess = "the model host takes 500 MiB"
    watch.poll()
    during = watch.reason(2), watch.states
    watch.excess = None
    clock.tick(60)
    watch.poll()

    sentence = "there is no room for it beside what serves: the model host takes 500 MiB"
    assert (sentence, {2: "refused", 1: "serving"}) == during
    assert {} == watch.store.control(SHAPES).quarantined
    assert 2 == watch.shapes.default


def test_what_has_passed_anywhere_is_not_quarantined_for_another_machine(watch, make_watch):
    """A healthy neighbour serves it; here it is refused."""
    watch.poll()
    other = make_watch()
    other.journal._pages.interrupted = {digest(watch, 2): 1}  # so that it is tried
    other.trials.verdicts[2] = Failed(reason=CRASHED, digest=digest(watch, 2), lasting=True)
    other.poll()
    watch.poll()

    assert {2: "refused", 1: "serving"} == other.states
    assert {} == watch.store.control(SHAPES).quarantined
    assert 2 == watch.shapes.default


@pytest.mark.parametrize(
    "change",
    [{"unloaded": True}, {"pinned": 1, "policy": "1"}],
    ids=["unloaded", "another is wanted"],
)
def test_a_trial_that_nobody_wants_any_more_is_ended(watch, change):
    """An operator does not wait for it."""
    watch.trials.held = {2}
    watch.poll()
    watch.change(**change)
    watch.poll()

    assert watch.trials.begun[-1].cancelled
    assert "loading" not in watch.states.values()


def test_a_trial_that_a_newer_version_outdates_goes_on(watch, publisher):
    """Versions may come faster than they can be tried: each that passes serves for a while."""
    watch.trials.held = {2}
    watch.poll()
    publisher.publish()
    watch.trials.held = {3}
    watch.trials.begun[-1].held = False
    watch.poll()

    assert (2, {3: "loading", 2: "serving", 1: "serving"}) == (watch.shapes.default, watch.states)


def test_while_a_trial_runs_a_rollback_takes_effect_at_once(watch, publisher):
    """The default changes between versions that serve, whatever is being tried."""
    watch.change(policy="latest:2")
    watch.poll()
    publisher.publish()
    watch.trials.held = {3}
    watch.poll()
    before = watch.shapes.default
    watch.change(policy="latest:3", pinned=1)
    watch.poll()

    assert (2, 1) == (before, watch.shapes.default)


def strike(host, version):
    """Have a host end because of a version, as its watchdog does."""
    host.journal.strike(digest(host, version), "it computed one batch for 10 s without an end")


def test_a_version_that_ends_hosts_is_given_up_for_the_one_before_it(watch, make_watch):
    """After the second time; it is quarantined, though it had passed."""
    watch.poll()
    hosts = [watch]
    for _ in range(STRIKES):
        strike(hosts[-1], 2)
        hosts.append(make_watch())
        hosts[-1].poll()

    assert [2, 2, 1] == [host.shapes.default for host in hosts]
    reason = "it computed one batch for 10 s without an end; that ended the model host 2 times"
    assert (reason, [SHAPES]) == (hosts[-1].reason(2), hosts[-1].observer.rollbacks)
    assert digest(watch, 2) == watch.store.control(SHAPES).quarantined[2].digest


def test_a_version_that_ends_hosts_serves_on_where_there_is_no_other(make_watch, publisher):
    """A service that fails now and then is better than none."""
    publisher.publish()
    watch = make_watch()
    watch.poll()
    for _ in range(STRIKES):
        strike(watch, 1)
    following = make_watch()
    following.poll()

    assert ({1: "serving"}, {}) == (following.states, watch.store.control(SHAPES).quarantined)


def test_what_is_quarantined_is_no_other_to_go_back_to(watch, make_watch, caplog):
    """The version that ends hosts serves on, and that is told once."""
    watch.poll()
    watch.change(quarantined={1: Quarantine(digest=None, reason="odd", at=NOW, by="ann")})
    for _ in range(STRIKES):
        strike(watch, 2)
    following = make_watch()
    for _ in range(3):
        following.poll()

    assert (2, [1]) == (following.shapes.default, [*watch.store.control(SHAPES).quarantined])
    assert 1 == sum("there is no other" in message for message in caplog.messages)
