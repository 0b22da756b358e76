"""The watcher: the versions that are wanted are in memory, and every other one has its reason."""

from __future__ import annotations

import gc
import os
import re
import shutil
import threading
import weakref
from datetime import UTC, datetime

import pytest

from app.config.share import Share
from app.host.lifecycle.reconciler import ModelVersions
from app.host.lifecycle.watcher import StoreWatcher
from app.host.loading.loader import Loader
from app.ipc.status import CanaryStatus, HostStatus
from model_store import Canary, ModelStore, Quarantine, Shadow, StoreError
from tests.unit.app.fakes import (
    FakeEngine,
    FakeObserver,
    FakeTrials,
    FlakyStore,
    make_intake,
    make_journal,
)

SAFETY_S = 10
"""How long a thread may take before a test gives up; none takes that long."""
SHAPES = "shapes"


class Watch:
    """A watcher with everything around it in reach.

    `story` tells in order what was announced of the default model ("2 loading, 1 serving") and
    when a version was given the jobs ("jobs to 2").
    """

    def __init__(
        self, store: ModelStore, clock, *runtimes, policy="latest", names=(), shadow=None
    ) -> None:
        self.runtimes = list(runtimes)
        self.observer = FakeObserver()
        self.story: list[str] = []
        self.announced: list[HostStatus] = []
        self.engine = FakeEngine(self.story)
        self.store = store
        self.misfits: dict[int, str] = {}
        loader = Loader(
            lambda: iter(self.runtimes),
            max_batch=4,
            misfit=lambda metadata: self.misfits.get(metadata.version),
            clock=clock,
        )
        self.trials = FakeTrials(loader)
        self.journal = make_journal(store, clock)
        self.excess: str | None = None

        def make(name, notify):
            return ModelVersions(
                store,
                name,
                policy=policy,
                intake=make_intake(store, name, self.trials, self.journal),
                journal=self.journal,
                engine=self.engine,
                notify=notify,
                observer=self.observer,
                shadow=shadow,
                excess=lambda: self.excess,
                clock=clock,
            )

        self.watcher = StoreWatcher(
            store, SHAPES, names, make=make, announce=self.announce, observer=self.observer
        )
        self.engine.on_routed = self.watcher.routed
        self.poll = self.watcher.poll

    def announce(self, status):
        states = ", ".join(f"{v.version} {v.state}" for v in status.versions)
        self.story.append(states or "nothing")
        self.announced.append(status)

    def drop_idle(self) -> None:
        """Let every version go that retires."""
        self.engine.drop_idle()

    @property
    def status(self) -> HostStatus:
        return self.watcher.status()

    @property
    def shapes(self):
        return self.status.default

    @property
    def states(self) -> dict[int, str]:
        return {v.version: v.state for v in self.status.versions}

    @property
    def actions(self) -> list[tuple]:
        """What the audit trail says."""
        return [(c.action, c.version) for c in self.store.history(SHAPES)]

    def served(self, version: int):
        return self.engine.versions[SHAPES, version]

    def reason(self, version: int) -> str | None:
        return next(v.reason for v in self.status.versions if v.version == version)

    def change(self, **fields) -> None:
        """Decide something about the model, as an operator does."""
        edit = lambda control: control.model_copy(update=fields)  # noqa: E731
        self.store.change(SHAPES, "test", edit, by="ann")


@pytest.fixture
def runtime(make_runtime):
    return make_runtime("fake f32")


@pytest.fixture
def watch(publisher, clock, runtime) -> Watch:
    return Watch(publisher.store, clock, runtime)


@pytest.fixture
def make_watch(publisher, clock, runtime):
    """Return a function that makes a watcher, such as the one of the next host."""
    return lambda **options: Watch(publisher.store, clock, runtime, **options)


def test_before_the_first_look_it_is_starting(watch):
    """Requests may wait: nothing is known yet."""
    expected = HostStatus.away(SHAPES, "the first version is being loaded", starting=True)

    assert expected == watch.status


def test_an_empty_store_is_worth_no_waiting(watch, publisher):
    """Once looked at, it is said to be empty, and how to fill it."""
    watch.poll()

    root = publisher.store.root
    reason = f"{root} holds no version of shapes; publish one with glyph train"
    assert (False, False, reason) == (
        watch.shapes.ready,
        watch.shapes.starting,
        watch.shapes.reason,
    )
    assert (True, True) == (watch.status.complete, watch.shapes.complete)
    assert [watch.status] == watch.announced


def test_versions_that_wait_for_their_trial_are_not_known_yet(make_watch, publisher):
    """Nobody may be told that they are not there, until the last one is told as being loaded."""
    for _ in range(3):
        publisher.publish()
    watch = make_watch(policy="all")
    watch.poll()

    told = [(s.default.complete, [v.state for v in s.versions]) for s in watch.announced]
    first = next(number for number, (complete, _) in enumerate(told) if complete)
    assert (True, ["serving", "serving", "loading"]) == told[first]
    assert all(complete for complete, _ in told[first:])
    assert first > 1


def test_a_store_that_was_never_read_leaves_models_unknown(watch, monkeypatch):
    """Until it is read."""

    def broken():
        raise StoreError("it is away")

    monkeypatch.setattr(watch.store, "models", broken)
    watch.poll()
    assert not watch.status.complete
    monkeypatch.undo()
    watch.poll()

    assert watch.status.complete


def test_a_version_that_does_not_fit_here_is_refused_here(watch, publisher, runtime):
    """It is not even tried, and nothing is written into the store: elsewhere it may fit."""
    watch.misfits[2] = "one image is 9 bytes; a request here holds at most 8"
    publisher.publish()
    publisher.publish()
    watch.poll()

    assert {1: "serving", 2: "refused"} == watch.states
    assert "one image is 9 bytes; a request here holds at most 8" == watch.reason(2)
    assert 2 not in runtime.tried
    assert {} == watch.store.control(SHAPES).quarantined


def test_batches_of_large_images_are_small(watch, publisher, monkeypatch):
    """Or the memory for the largest batch would be gigabytes."""
    monkeypatch.setattr("app.host.loading.loader._BATCH_BYTES", 11)
    publisher.publish()
    watch.poll()

    assert {"1": 0, "2": 0} == watch.status.serving.loaded.batch_seconds


def test_a_look_that_finds_nothing_new_is_silent(watch, publisher):
    """The store is looked at five times a second; web workers are told of changes only."""
    watch.poll()
    watch.poll()
    told = list(watch.story)
    publisher.publish()
    watch.poll()
    watch.story.clear()
    watch.poll()

    assert (["nothing"], []) == (told, watch.story)


def test_the_newest_version_serves(watch, publisher, runtime):
    """Older ones are not even loaded."""
    for _ in range(3):
        publisher.publish()
    watch.poll()

    assert ({3: "serving"}, [3]) == (watch.states, runtime.tried)
    assert (True, False, None) == (watch.status.ready, watch.status.starting, watch.status.reason)
    assert (3, "latest") == (watch.shapes.default, watch.shapes.policy)


def test_a_version_is_handed_over_with_what_it_takes(watch, publisher):
    """The engine gets the model, how to cut its batches, its classes and the shape of an image."""
    publisher.publish()
    watch.poll()

    served = watch.served(1)
    assert ("shapes", 1) == (served.name, served.version)
    assert ("circle", "square", "star") == served.description.classes
    assert ((2, 2, 1), 4) == (served.description.input_shape, served.runtime_plan.costs.limit)


def test_the_status_describes_what_serves(watch, publisher):
    """Runtime, precision, digest, accuracy, classes, shape and batches."""
    publisher.publish()
    watch.poll()

    loaded = watch.status.serving.loaded
    assert ("fake", "f32", 0.8) == (loaded.runtime, loaded.precision, loaded.accuracy)
    assert publisher.store.verify("shapes", 1).digest == loaded.digest
    assert (2, 2, 1) == loaded.input_shape
    assert (4, {"1": 0, "2": 0, "4": 0}) == (loaded.batch_limit, loaded.batch_seconds)
    assert bytes([1, 1, 1, 1]) == watch.served(1).example


def test_a_first_version_is_announced_before_it_has_jobs(watch, publisher):
    """Web workers know the classes of a version before its first answer."""
    publisher.publish()
    watch.poll()

    assert ["1 loading", "1 serving", "jobs to 1"] == watch.story
    assert [True, False] == [status.starting for status in watch.announced[:2]]


def test_a_swap_is_announced_step_by_step(watch, publisher):
    """The old version is retiring until the engine lets it go, and ready all the while."""
    publisher.publish()
    watch.poll()
    watch.story.clear()
    publisher.publish()
    watch.poll()
    watch.drop_idle()

    assert [
        "2 loading, 1 serving",
        "2 serving, 1 serving",
        "jobs to 2",
        "2 serving, 1 retiring",
        "2 serving",
    ] == watch.story
    assert {True} == {status.ready for status in watch.announced[1:]}


def test_a_retiring_version_keeps_its_classes(watch, publisher):
    """Its last answers still need their labels."""
    publisher.publish()
    watch.poll()
    publisher.publish()
    watch.poll()

    assert ("circle", "square", "star") == watch.shapes.version(1).loaded.classes


def test_only_a_retiring_version_can_go(watch, publisher):
    """A word from the engine that versions went is no reason to forget one that serves."""
    publisher.publish()
    watch.poll()
    watch.drop_idle()
    watch.watcher.routed(SHAPES)

    assert {1: "serving"} == watch.states


def test_a_damaged_version_is_refused_and_the_next_older_serves(watch, publisher, runtime, caplog):
    """The reason names the file; the runtime never sees it."""
    publisher.publish()
    publisher.publish()
    graph = publisher.damage(2)
    watch.poll()

    assert {2: "refused", 1: "serving"} == watch.states
    assert re.fullmatch(f"{graph}: has SHA-256 .*; the manifest says .*", watch.reason(2))
    assert [1] == runtime.tried
    assert f"shapes version 2 is refused: {watch.reason(2)}" in caplog.messages


def test_while_older_versions_are_tried_it_is_starting(watch, publisher):
    """A refusal is not the end while there are others to try."""
    publisher.publish()
    publisher.publish()
    publisher.damage(2)
    watch.poll()

    starting = {str([v.state for v in s.versions]): s.starting for s in watch.announced}
    assert starting["['refused', 'loading']"]


def test_the_old_version_serves_on_when_the_new_one_is_damaged(watch, publisher):
    """The service stays ready, and shows the refused version with its reason."""
    publisher.publish()
    watch.poll()
    publisher.publish()
    publisher.damage(2)
    watch.poll()

    assert {2: "refused", 1: "serving"} == watch.states
    assert (True, 1) == (watch.status.ready, watch.shapes.default)
    assert "saved_model.pb" in watch.reason(2)
    assert [] == watch.engine.retiring


def test_a_refused_version_is_not_tried_again(watch, publisher, runtime):
    """Neither is an older one, while nothing changes."""
    publisher.publish()
    runtime.failures[1] = ValueError("no such operation")
    for _ in range(3):
        watch.poll()

    assert [1] == runtime.tried
    assert [("quarantine", 1)] == watch.actions


def test_a_failed_version_is_remembered_over_restarts(watch, make_watch, publisher, runtime):
    """In the store, by its digest and with the reason; the next host does not try it."""
    publisher.publish()
    runtime.failures[1] = ValueError("no such operation")
    watch.poll()
    following = make_watch()
    following.poll()

    (entry,) = publisher.store.control(SHAPES).quarantined.values()
    assert publisher.store.manifest(SHAPES, 1).digest == entry.digest
    assert ("fake f32: no such operation", "glyph-serve") == (entry.reason, entry.by)
    assert [1] == runtime.tried
    assert ({1: "refused"}, entry.reason) == (following.states, following.reason(1))


def test_a_version_that_was_released_is_tried_again(watch, publisher, runtime):
    """By the host that refused it, without a restart."""
    publisher.publish()
    runtime.failures[1] = ValueError("short of something")
    watch.poll()
    runtime.failures.clear()
    watch.change(quarantined={})
    watch.poll()

    assert {1: "serving"} == watch.states


def test_a_version_with_another_digest_is_tried_again(watch, publisher, runtime):
    """A number that was removed and published anew is another version."""
    publisher.publish()
    runtime.failures[1] = ValueError("no such operation")
    watch.poll()
    runtime.failures.clear()
    shutil.rmtree(publisher.store.path(SHAPES, 1))
    watch.poll()
    publisher.publish(graph=b"another graph")
    watch.poll()

    assert {1: "serving"} == watch.states
    assert {} == publisher.store.control(SHAPES).quarantined


@pytest.mark.parametrize(
    "failure", [MemoryError(), OSError("no space left"), ImportError("no libtbb")]
)
def test_what_this_machine_lacks_is_not_held_against_a_version(
    watch, make_watch, publisher, runtime, failure
):
    """It is refused here and now; nothing is written to the store, and the next host tries it."""
    publisher.publish()
    runtime.failures[1] = failure
    watch.poll()
    watch.poll()
    refused, tried = watch.states, list(runtime.tried)
    runtime.failures.clear()
    following = make_watch()
    following.poll()

    assert ({1: "refused"}, [1]) == (refused, tried)
    assert ({1: "serving"}, [("pass", 1)]) == (following.states, watch.actions)


def test_a_store_that_cannot_be_written_is_no_obstacle(publisher, clock, runtime, caplog):
    """What failed is remembered by the host; one warning says so."""
    store = FlakyStore(publisher.store)
    store.writable = False
    watch = Watch(store, clock, runtime)
    publisher.publish()
    publisher.publish()
    runtime.failures[2] = ValueError("no such operation")
    for _ in range(3):
        watch.poll()

    assert ({2: "refused", 1: "serving"}, [2, 1]) == (watch.states, runtime.tried)
    expected = "trials of shapes are remembered until this host ends: cannot change the control"
    assert 1 == sum(line.startswith(expected) for line in caplog.messages)


def test_a_passed_trial_is_noted_once(watch, make_watch, publisher):
    """By digest, so that a label or a promotion can ask for it."""
    publisher.publish()
    watch.poll()
    make_watch().poll()

    digest = publisher.store.manifest(SHAPES, 1).digest
    assert ({1: digest}, [("pass", 1)]) == (
        publisher.store.control(SHAPES).passed,
        watch.actions,
    )


def test_a_version_that_is_copied_slowly_is_taken_when_it_is_whole(watch, publisher, runtime):
    """Its manifest may come before its files: it is refused, and tried again once they rest."""
    publisher.publish()
    directory = publisher.store.path(SHAPES, 1)
    (directory / "saved_model.pb").rename(publisher.store.root / "aside")
    watch.poll()
    early = watch.states
    (directory / "saved_model.pb").write_bytes(b"a g")
    watch.poll()
    (publisher.store.root / "aside").replace(directory / "saved_model.pb")
    watch.poll()
    moving = watch.states
    watch.poll()

    assert [{1: "refused"}, {1: "refused"}, {1: "serving"}] == [early, moving, watch.states]
    assert ([1], [("quarantine", 1), ("pass", 1)]) == (runtime.tried, watch.actions)
    assert {} == publisher.store.control(SHAPES).quarantined


def test_a_damaged_version_is_looked_at_again_by_the_next_host(make_watch, publisher):
    """It may have been mended since; if not, the store is told nothing new."""
    publisher.publish()
    publisher.damage(1)
    make_watch().poll()
    make_watch().poll()
    told = [change.action for change in publisher.store.history(SHAPES)]
    publisher.mend(1)
    last = make_watch()
    last.poll()

    assert (["quarantine"], {1: "serving"}) == (told, last.states)


def test_a_directory_without_a_manifest_is_no_version(watch, publisher):
    """It is not listed, not refused and not quarantined."""
    publisher.publish()
    publisher.publish()
    (publisher.store.path(SHAPES, 2) / "manifest.json").unlink()
    watch.poll()

    assert ({1: "serving"}, [("pass", 1)]) == (watch.states, watch.actions)


def test_a_newer_version_is_tried_after_a_refused_one(watch, publisher):
    """The next publish puts things right, and the refused one stays listed."""
    publisher.publish()
    publisher.damage(1)
    watch.poll()
    publisher.publish()
    watch.poll()

    assert {2: "serving", 1: "refused"} == watch.states


def test_a_refused_version_that_is_removed_is_forgotten(watch, publisher):
    """What is not in the store is not listed."""
    publisher.publish()
    publisher.damage(1)
    watch.poll()
    shutil.rmtree(publisher.store.path("shapes", 1))
    watch.poll()

    assert {} == watch.states
    assert "holds no version of shapes" in watch.status.reason
    assert ["1 refused", "nothing"] == watch.story[-2:]


def test_when_every_version_is_refused_all_reasons_are_told(watch, publisher, runtime):
    """Newest first."""
    publisher.publish()
    publisher.publish()
    runtime.failures |= {1: ValueError("too old"), 2: ValueError("too new")}
    watch.poll()

    assert (
        "every version was refused: version 2: fake f32: too new; version 1: fake f32: too old"
    ) == watch.status.reason
    assert (False, False) == (watch.status.ready, watch.status.starting)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ValueError("bad graph"), "fake f32: bad graph"),
        (RuntimeError("first line\nand 40 more"), "fake f32: first line"),
        (MemoryError(), "fake f32: MemoryError"),
        (AssertionError(""), "fake f32: AssertionError"),
    ],
    ids=["ValueError", "two lines", "no text", "empty text"],
)
def test_whatever_a_runtime_raises_is_a_refusal(watch, publisher, runtime, failure, reason):
    """Runtimes raise what they like; the first line is the reason."""
    publisher.publish()
    runtime.failures[1] = failure
    watch.poll()

    assert ({1: "refused"}, reason) == (watch.states, watch.reason(1))


def test_whatever_else_goes_wrong_is_a_refusal_too(watch, publisher):
    """Even a bug in how runtimes are chosen leaves the watcher watching, and the store clean."""
    publisher.publish()
    watch.runtimes = None
    watch.poll()

    assert ({1: "refused"}, []) == (watch.states, watch.actions)
    assert "TypeError: 'NoneType' object is not iterable" == watch.reason(1)


def test_a_version_with_wrong_answers_is_refused(watch, publisher, runtime):
    """A runtime that loads it is not enough."""
    publisher.publish()
    runtime.errors[1] = 0.5
    watch.poll()

    assert watch.reason(1).startswith("fake f32: golden image ")


def test_the_next_runtime_is_tried(publisher, clock, make_runtime):
    """What one runtime cannot do, another may."""
    first, second = make_runtime("fake bf16"), make_runtime("fake f32")
    first.errors[1] = 0.5
    watch = Watch(publisher.store, clock, first, second)
    publisher.publish()
    watch.poll()

    assert {1: "serving"} == watch.states
    assert ([1], [1]) == (first.tried, second.tried)


def test_the_first_good_runtime_is_enough(publisher, clock, make_runtime):
    """Others are not even loaded."""
    first, second = make_runtime("fake bf16"), make_runtime("fake f32")
    watch = Watch(publisher.store, clock, first, second)
    publisher.publish()
    watch.poll()

    assert ([1], []) == (first.tried, second.tried)


def test_a_version_that_no_runtime_can_do_is_refused_with_all_reasons(
    publisher, clock, make_runtime
):
    """Each runtime's own sentence is told."""
    first, second = make_runtime("fake bf16"), make_runtime("fake f32")
    first.failures[1] = ValueError("no bf16 here")
    second.failures[1] = ValueError("unknown operation")
    watch = Watch(publisher.store, clock, first, second)
    publisher.publish()
    watch.poll()

    assert "fake bf16: no bf16 here; fake f32: unknown operation" == watch.reason(1)


def test_without_a_runtime_every_version_is_refused(publisher, clock):
    """The reason is said plainly, and no version in the store has to suffer for it."""
    watch = Watch(publisher.store, clock)
    publisher.publish()
    watch.poll()

    assert ("no runtime is installed", []) == (watch.reason(1), watch.actions)


def test_a_version_that_says_it_is_another_is_refused(watch, publisher):
    """A directory that was copied to another number is not what it says it is."""
    publisher.publish()
    shutil.copytree(publisher.store.path("shapes", 1), publisher.store.path("shapes", 2))
    watch.poll()

    assert {2: "refused", 1: "serving"} == watch.states
    assert "its metadata.json says that it is version 1 of shapes" == watch.reason(2)


def test_golden_images_of_another_shape_are_refused(watch, publisher):
    """Requests would be checked against a shape that the model was never tried with."""
    publisher.publish(shape=(4, 1, 1))
    watch.poll()

    expected = "its golden images have shape (2, 2, 1); its metadata.json says (4, 1, 1)"
    assert expected == watch.reason(1)


def test_several_versions_are_kept_if_the_policy_says_so(make_watch, publisher, runtime):
    """The newest is loaded first and is the default; when another comes the oldest goes."""
    for _ in range(3):
        publisher.publish()
    watch = make_watch(policy="latest:2")
    watch.poll()
    before, tried = watch.states, list(runtime.tried)
    publisher.publish()
    watch.poll()
    watch.drop_idle()

    assert ({3: "serving", 2: "serving"}, [3, 2]) == (before, tried)
    assert ({4: "serving", 3: "serving"}, 4) == (watch.states, watch.shapes.default)


def test_an_old_version_goes_when_the_new_one_is_good(make_watch, publisher, runtime):
    """Until then it is still one of the newest good ones."""
    for _ in range(3):
        publisher.publish()
    watch = make_watch(policy="latest:2")
    runtime.failures[3] = ValueError("no")
    watch.poll()
    tried = list(runtime.tried)
    runtime.failures[4] = ValueError("no")
    publisher.publish()
    watch.poll()

    assert ([3, 2, 1], {1, 2, 3, 4}) == (tried, set(runtime.tried))
    assert ({4: "refused", 3: "refused", 2: "serving", 1: "serving"}, []) == (
        watch.states,
        watch.engine.retiring,
    )


def test_given_versions_are_loaded_and_no_others(make_watch, publisher):
    """What is published later waits for somebody to name it."""
    for _ in range(3):
        publisher.publish()
    watch = make_watch(policy="1,2")
    watch.poll()

    assert {2: "serving", 1: "serving"} == watch.states


def test_a_policy_that_fits_no_version_is_told_as_the_reason(make_watch, publisher):
    """With what there is."""
    publisher.publish()
    watch = make_watch(policy="7")
    watch.poll()

    assert "the version policy is 7; shapes has 1" == watch.status.reason


def test_a_version_that_is_removed_while_it_serves_serves_on(watch, publisher):
    """A hand that slips in the store ends no service."""
    publisher.publish()
    publisher.publish()
    watch.poll()
    shutil.rmtree(publisher.store.path(SHAPES, 2))
    watch.poll()

    assert ({2: "serving"}, []) == (watch.states, watch.engine.retiring)


def test_a_pin_holds_whatever_is_published_and_over_restarts(watch, make_watch, publisher):
    """The newer version is loaded, so that it can be asked for."""
    publisher.publish()
    watch.poll()
    watch.change(pinned=1)
    publisher.publish()
    watch.poll()
    following = make_watch()
    following.poll()

    for one in (watch, following):
        assert ({2: "serving", 1: "serving"}, 1, 1) == (
            one.states,
            one.shapes.default,
            one.shapes.pinned,
        )


def test_without_the_pin_the_newest_takes_over(watch, publisher):
    """It is in memory already: no trial, and the one before goes."""
    publisher.publish()
    watch.poll()
    watch.change(pinned=1)
    publisher.publish()
    watch.poll()
    watch.change(pinned=None)
    watch.poll()
    watch.drop_idle()

    assert ({2: "serving"}, 2, {SHAPES: 2}) == (
        watch.states,
        watch.shapes.default,
        watch.engine.defaults,
    )
    assert (["jobs to 1", "jobs to 2"], 1) == (
        [line for line in watch.story if line.startswith("jobs")],
        watch.observer.swaps,
    )


def test_a_version_goes_back_to_an_older_one(watch, publisher):
    """A rollback loads what is pinned, and only then gives it the requests."""
    publisher.publish()
    publisher.publish()
    watch.poll()
    watch.change(pinned=1)
    watch.poll()

    assert ({2: "serving", 1: "serving"}, 1) == (watch.states, watch.shapes.default)


def test_a_labelled_version_can_be_asked_for(watch, publisher):
    """A label is shown when its version serves; the default is not moved by it."""
    publisher.publish()
    publisher.publish()
    watch.poll()
    watch.change(labels={"old": 1, "gone": 7})
    watch.poll()

    assert ({2: "serving", 1: "serving"}, 2) == (watch.states, watch.shapes.default)
    assert {"old": 1} == watch.shapes.labels


def test_a_shadow_may_be_set_for_all_models(publisher, clock, runtime):
    """Where the control document names another, that one shadows."""
    watch = Watch(publisher.store, clock, runtime, shadow=Share("next", 25, None))
    publisher.publish()
    watch.poll()
    missing = watch.shapes.shadow
    watch.change(labels={"next": 1, "other": 1})
    watch.poll()
    by_setting = watch.shapes.shadow
    watch.change(shadow=Shadow(label="other", percent=50))
    watch.poll()

    assert missing is None
    assert CanaryStatus(version=1, label="next", percent=25) == by_setting
    assert CanaryStatus(version=1, label="other", percent=50) == watch.shapes.shadow


def test_canary_and_shadow_are_told_when_their_versions_serve(watch, publisher):
    """With their labels, shares and how callers stay with them."""
    publisher.publish()
    publisher.publish()
    watch.change(
        labels={"canary": 1, "next": 7},
        canary=Canary(label="canary", percent=10, sticky_header="X-User"),
        shadow=Shadow(label="next", percent=50),
    )
    watch.poll()
    missing = watch.shapes.shadow
    watch.change(labels={"canary": 1, "next": 1})
    watch.poll()

    expected = CanaryStatus(version=1, label="canary", percent=10, sticky_header="X-User")
    assert (expected, None) == (watch.shapes.canary, missing)
    assert CanaryStatus(version=1, label="next", percent=50) == watch.shapes.shadow


def test_a_quarantined_version_gives_way(watch, publisher):
    """The next older is loaded and takes over; who quarantined it is told."""
    publisher.publish()
    publisher.publish()
    watch.poll()
    digest = publisher.store.manifest(SHAPES, 2).digest
    at = datetime(2026, 1, 1, tzinfo=UTC)
    watch.change(quarantined={2: Quarantine(digest=digest, reason="odd", at=at, by="ann")})
    watch.poll()
    watch.drop_idle()

    assert ({2: "refused", 1: "serving"}, 1) == (watch.states, watch.shapes.default)
    assert "quarantined by ann: odd" == watch.reason(2)


def test_the_last_version_serves_on_though_it_is_quarantined(watch, publisher):
    """Something is better than nothing; whoever wants nothing unloads the model."""
    publisher.publish()
    watch.poll()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    watch.change(quarantined={1: Quarantine(digest=None, reason="odd", at=at, by="ann")})
    watch.poll()

    assert ({1: "serving"}, []) == (watch.states, watch.engine.retiring)


def test_an_unloaded_model_has_nothing_in_memory(watch, publisher):
    """Until it is loaded again; the reason says how."""
    publisher.publish()
    watch.poll()
    watch.change(unloaded=True)
    watch.poll()
    watch.drop_idle()
    unloaded = watch.status
    watch.change(unloaded=False)
    watch.poll()

    assert (False, ()) == (unloaded.ready, unloaded.versions)
    assert "shapes was unloaded; glyph models load shapes takes it up again" == unloaded.reason
    assert (True, False) == (unloaded.default.unloaded, watch.status.default.unloaded)
    assert {1: "serving"} == watch.states


def test_a_version_that_is_wanted_again_before_it_has_gone_is_loaded_again(watch, publisher):
    """The engine has the new one; that the old one goes, if it still does, changes nothing."""
    publisher.publish()
    watch.poll()
    watch.change(unloaded=True)
    watch.poll()
    watch.change(unloaded=False)
    watch.poll()
    watch.drop_idle()

    assert {1: "serving"} == watch.states


def test_nothing_holds_on_to_a_model_that_was_let_go(watch, publisher, runtime):
    """Its memory is the runtime's to give back, at once and without a collector's help."""
    models = []
    load = runtime.load
    runtime.load = lambda version: keep_weakly(load(version), models)
    gc.disable()
    try:
        for _ in range(3):
            publisher.publish()
            watch.poll()
            watch.drop_idle()
        alive = [reference() is not None for reference in models]
    finally:
        gc.enable()

    assert [False, False, True] == alive


def test_nothing_holds_on_to_a_model_that_failed(watch, publisher, runtime):
    """Its exception, which knows the frames that knew the model, is gone as well."""
    models = []
    load = runtime.load
    runtime.load = lambda version: keep_weakly(load(version), models)
    runtime.errors |= {1: 0.5}
    publisher.publish()
    gc.disable()
    try:
        watch.poll()
        alive = [reference() is not None for reference in models]
    finally:
        gc.enable()

    assert [False] == alive


def test_a_version_like_the_one_before_is_not_measured(watch, publisher, caplog):
    """Its batches are cut as that one's; the status and the log say so."""
    caplog.set_level("INFO")
    publisher.publish()
    watch.poll()
    publisher.publish()
    watch.poll()
    first, second = watch.served(1), watch.served(2)

    assert first.runtime_plan.costs is second.runtime_plan.costs
    assert (None, 1) == tuple(watch.shapes.version(n).loaded.measured_with for n in (1, 2))
    assert any("as version 1 per batch" in line for line in caplog.messages)


def test_a_larger_version_is_measured(watch, publisher):
    """What it costs is not known from the one before."""
    publisher.publish()
    watch.poll()
    publisher.publish(parameters=2)
    watch.poll()

    assert watch.served(1).runtime_plan.costs is not watch.served(2).runtime_plan.costs
    assert watch.status.serving.loaded.measured_with is None


def test_what_serves_is_logged_with_its_batches(watch, publisher, runtime, clock, caplog):
    """In one line; where batching does not pay, it says so."""
    caplog.set_level("INFO")
    publisher.publish()
    watch.poll()
    load = runtime.load

    def slow(version):
        model = load(version)
        predict = model.predict
        model.predict = lambda parts: (clock.tick(len(parts[0]) / 8), predict(parts))[1]
        return model

    runtime.load = slow
    publisher.publish(parameters=2)
    watch.poll()

    about = "serving shapes version {} with fake (f32) in {}; measured per batch: {}"
    fast = about.format(1, "batches of up to 4", "1: 0.00 ms, 2: 0.00 ms, 4: 0.00 ms")
    lone = about.format(
        2, "no batches: they do not pay", "1: 125.00 ms, 2: 250.00 ms, 4: 500.00 ms"
    )
    over = "shapes version 2 takes over from version 1"
    assert [fast, lone, over] == caplog.messages


def test_loads_are_counted_by_outcome(watch, publisher, runtime, clock):
    """With the time from finding a version to serving it."""
    publisher.publish()
    publisher.publish()
    runtime.failures[2] = ValueError("no")
    load = runtime.load
    runtime.load = lambda version: (clock.tick(1.5), load(version))[1]
    watch.poll()

    assert [("refused", "shapes"), ("served", "shapes", 1, 1.5, 4)] == watch.observer.loads
    assert (1, 1) == watch.observer.counts[SHAPES]


def test_every_model_of_the_store_is_served(watch, publisher):
    """The default one first; one that appears later comes last, and keeps its place."""
    publisher.publish()
    publisher.publish(model="letters")
    watch.poll()
    publisher.publish(model="icons")
    watch.poll()

    assert [("shapes", True), ("letters", True), ("icons", True)] == [
        (model.name, model.ready) for model in watch.status.models
    ]


def test_models_are_swapped_independently(watch, publisher):
    """A new version of one is nothing to the other."""
    publisher.publish()
    publisher.publish(model="letters")
    watch.poll()
    publisher.publish(model="letters")
    watch.poll()

    assert {"shapes": 1, "letters": 2} == watch.engine.defaults
    assert [("letters", 1)] == watch.engine.retiring


def test_only_the_models_named_are_served(make_watch, publisher):
    """In the order of the setting, after the default one, and whether they are there or not."""
    for model in ("shapes", "letters", "icons"):
        publisher.publish(model=model)
    watch = make_watch(names=("digits", "shapes", "icons"))
    watch.poll()

    assert [("shapes", True), ("digits", False), ("icons", True)] == [
        (model.name, model.ready) for model in watch.status.models
    ]


def test_a_model_that_vanishes_is_let_go(watch, publisher):
    """It keeps its place, for web workers know it by that; and it may come back."""
    publisher.publish()
    publisher.publish(model="letters")
    watch.poll()
    directory = publisher.store.root / "letters"
    directory.rename(publisher.store.root / ".letters")
    watch.poll()
    watch.drop_idle()
    gone = watch.status.models[1]
    (publisher.store.root / ".letters").rename(directory)
    watch.poll()

    assert ("letters", False, ()) == (gone.name, gone.ready, gone.versions)
    assert "holds no version of letters" in gone.reason
    assert watch.status.models[1].ready


def test_the_default_model_is_kept_though_it_vanishes(watch, publisher):
    """That is more likely a slip than a wish."""
    publisher.publish()
    publisher.publish(model="letters")
    watch.poll()
    (publisher.store.root / "shapes").rename(publisher.store.root / ".shapes")
    watch.poll()

    assert ({1: "serving"}, []) == (watch.states, watch.engine.retiring)
    assert "shows no version of shapes any more; what is loaded serves on" in (
        watch.status.store_trouble
    )


def test_a_store_that_shows_no_model_at_all_is_away(watch, publisher):
    """An empty mount point is no wish to unload everything."""
    publisher.publish()
    publisher.publish(model="letters")
    watch.poll()
    publisher.store.root.rename(publisher.store.root.with_name("away"))
    watch.poll()

    assert [True, True] == [model.ready for model in watch.status.models]
    assert (False, []) == (watch.observer.up[-1], watch.engine.retiring)


def test_a_model_whose_decisions_cannot_be_read_does_not_hold_up_the_others(watch, publisher):
    """It is told; what the others need is done."""
    publisher.publish()
    publisher.publish(model="letters")
    (publisher.store.root / "shapes" / "labels.json").write_text("[]")
    watch.poll()

    assert [False, True] == [model.ready for model in watch.status.models]
    assert "labels.json" in watch.status.store_trouble


def test_a_store_that_cannot_be_read_is_told_as_the_reason(publisher, clock, runtime, caplog):
    """It is logged once, not at every look, and over when the store is back."""
    store = FlakyStore(publisher.store)
    store.problem = StoreError("cannot list the versions: /models: Input/output error")
    watch = Watch(store, clock, runtime, names=[SHAPES])
    publisher.publish()
    run(watch, store, polls=3)
    away = watch.status
    store.problem = None
    run(watch, store, polls=1)

    assert (False, False) == (away.ready, away.starting)
    assert "cannot list the versions: /models: Input/output error" == away.reason
    assert away.reason == away.store_trouble
    assert 1 == sum("store poll failed" in line for line in caplog.messages)
    assert ({1: "serving"}, None) == (watch.states, watch.status.store_trouble)
    assert [False, False, False, True] == watch.observer.up


def test_a_store_that_goes_away_does_not_end_the_service(publisher, clock, runtime):
    """What serves goes on serving, and the next version is found when the store is back."""
    store = FlakyStore(publisher.store)
    watch = Watch(store, clock, runtime, names=[SHAPES])
    publisher.publish()
    run(watch, store, polls=1)
    store.problem = ZeroDivisionError()
    run(watch, store, polls=2)
    while_away = watch.status
    store.problem = None
    publisher.publish()
    run(watch, store, polls=1)

    assert (True, None) == (while_away.ready, while_away.reason)
    assert 2 == watch.status.serving.version


def test_a_store_that_goes_away_during_a_load_is_not_the_versions_fault(
    publisher, clock, runtime, monkeypatch
):
    """It is tried again when the store is back."""
    watch = Watch(publisher.store, clock, runtime)
    publisher.publish()
    with monkeypatch.context() as away:
        away.setattr(publisher.store, "fetch", refuse)
        watch.poll()
    during = watch.status
    watch.poll()

    assert ((), "cannot fetch") == (during.versions, during.reason)
    assert {1: "serving"} == watch.states


def test_a_version_that_is_removed_while_it_is_loaded_is_no_trouble(
    publisher, clock, runtime, monkeypatch
):
    """The next older is loaded."""
    watch = Watch(publisher.store, clock, runtime)
    publisher.publish()
    publisher.publish()
    fetch = publisher.store.fetch

    def fetch_late(model, version):
        if version == 2:
            shutil.rmtree(publisher.store.path(model, version), ignore_errors=True)
        return fetch(model, version)

    monkeypatch.setattr(publisher.store, "fetch", fetch_late)
    watch.poll()

    assert ({1: "serving"}, [("pass", 1)]) == (watch.states, watch.actions)


def refuse(*_):
    raise StoreError("cannot fetch")


def keep_weakly(model, models):
    """Remember a model as long as somebody else does."""
    models.append(weakref.ref(model))
    return model


def run(watch: Watch, store: FlakyStore, *, polls: int) -> None:
    """Let the watcher's thread look at the store some times, then stop it."""
    last = store.polls + polls
    store.on_poll = lambda: store.polls == last and watch.watcher.stop()
    watch.watcher._stopped = False
    watch.watcher._wake.clear()
    thread = threading.Thread(target=watch.watcher.run, args=(0.0,), daemon=True)
    thread.start()
    thread.join(SAFETY_S)
    assert not thread.is_alive()


def test_a_file_that_is_called_by_no_text_does_not_silence_the_host(watch, publisher):
    """The version is refused, and the web workers can be told why."""
    publisher.publish()
    publisher.publish()
    directory = os.fsencode(publisher.store.path(SHAPES, 2))
    os.close(os.open(directory + b"/\xff", os.O_CREAT | os.O_WRONLY))
    watch.poll()

    assert {2: "refused", 1: "serving"} == watch.states
    assert r"2/\\udcff: is not listed in the manifest" in watch.status.model_dump_json()
