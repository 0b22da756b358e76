"""The watcher: the newest good version serves, and every other one is refused with its reason."""

from __future__ import annotations

import base64
import re
import shutil
import threading

import pytest

from app.host.versions import VersionWatcher
from app.status import HostStatus, ModelStatus
from model_store import ModelStore, StoreError

SAFETY_S = 10
"""How long a thread may take before a test gives up; none takes that long."""


class FakeObserver:
    """Remembers loads by outcome."""

    def __init__(self) -> None:
        self.loads: list[tuple] = []

    def loaded(self, model, version, seconds, curve):
        self.loads.append(("served", model, version, seconds, curve.limit))

    def refused(self, model):
        self.loads.append(("refused", model))


class Watch:
    """A watcher with everything around it in reach.

    `story` tells in order what was announced ("2 loading, 1 serving") and when a version was given
    the jobs ("jobs to 2").
    """

    def __init__(self, store: ModelStore, clock, *runtimes) -> None:
        self.runtimes = list(runtimes)
        self.observer = FakeObserver()
        self.story: list[str] = []
        self.announced: list[HostStatus] = []
        self.watcher = VersionWatcher(
            store,
            "shapes",
            candidates=lambda: iter(self.runtimes),
            max_batch=4,
            serve=self.serve,
            retire=self.retire,
            announce=self.announce,
            observer=self.observer,
            clock=clock,
        )
        self.check = self.watcher.check

    def serve(self, version, announce):
        announce()
        self.story.append(f"jobs to {version.version}")
        self.served = version

    def retire(self, model, version):
        self.story.append(f"{model} {version} retires")

    def announce(self, status):
        states = ", ".join(f"{v.version} {v.state}" for v in status.versions)
        self.story.append(states or "nothing")
        self.announced.append(status)

    @property
    def status(self) -> HostStatus:
        return self.watcher.status()

    @property
    def states(self) -> dict[int, str]:
        return {v.version: v.state for v in self.status.versions}

    def reason(self, version: int) -> str | None:
        return next(v.reason for v in self.status.versions if v.version == version)


class FlakyStore(ModelStore):
    """A store whose disk goes away and comes back."""

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store.root)
        self.problem: Exception | None = None
        self.looks = 0
        self.on_look = lambda: None

    def versions(self, model):
        self.looks += 1
        self.on_look()
        if self.problem is not None:
            raise self.problem
        return super().versions(model)


@pytest.fixture
def runtime(make_runtime):
    return make_runtime("fake f32")


@pytest.fixture
def watch(publisher, clock, runtime) -> Watch:
    return Watch(publisher.store, clock, runtime)


def test_before_the_first_look_it_is_starting(watch):
    """Requests may wait: nothing is known yet."""
    expected = HostStatus.of(
        ModelStatus(
            name="shapes", ready=False, starting=True, reason="the first version is being loaded"
        )
    )

    assert expected == watch.status


def test_an_empty_store_is_worth_no_waiting(watch, publisher):
    """Once looked at, it is said to be empty, and how to fill it."""
    watch.check()

    root = publisher.store.root
    reason = f"{root} holds no version of shapes; publish one with glyph-train"
    assert HostStatus.of(ModelStatus(name="shapes", ready=False, reason=reason)) == watch.status
    assert [watch.status] == watch.announced


def test_a_look_that_finds_nothing_new_is_silent(watch):
    """The store is looked at twice a second; web workers are told of changes only."""
    watch.check()
    watch.check()

    assert ["nothing"] == watch.story


def test_the_newest_version_serves(watch, publisher, runtime):
    """Older ones are not even loaded."""
    for _ in range(3):
        publisher.publish()
    watch.check()

    assert ({3: "serving"}, [3]) == (watch.states, runtime.tried)
    assert (True, False, None) == (watch.status.ready, watch.status.starting, watch.status.reason)


def test_a_version_is_handed_over_with_what_it_takes(watch, publisher):
    """The engine gets the model, how to cut its batches, its classes and the shape of an image."""
    publisher.publish()
    watch.check()

    assert ("shapes", 1) == (watch.served.name, watch.served.version)
    assert ("circle", "square", "star") == watch.served.classes
    assert ((2, 2, 1), 4) == (watch.served.input_shape, watch.served.curve.limit)


def test_the_status_describes_what_serves(watch, publisher):
    """Runtime, precision, digest, accuracy, classes, shape, batches, and an example to try."""
    publisher.publish()
    watch.check()

    loaded = watch.status.serving.loaded
    assert ("fake", "f32", 0.8) == (loaded.runtime, loaded.precision, loaded.accuracy)
    assert publisher.store.verify("shapes", 1).digest == loaded.digest
    assert (2, 2, 1) == loaded.input_shape
    assert (4, {"1": 0, "2": 0, "4": 0}) == (loaded.batch_limit, loaded.batch_seconds)
    assert bytes([1, 1, 1, 1]) == base64.b64decode(loaded.example)


def test_a_first_version_is_announced_before_it_has_jobs(watch, publisher):
    """Web workers know the classes of a version before its first answer."""
    publisher.publish()
    watch.check()

    assert ["1 loading", "1 serving", "jobs to 1", "1 serving"] == watch.story
    assert [True, False, False] == [status.starting for status in watch.announced]


def test_a_swap_is_announced_step_by_step(watch, publisher):
    """The old version is retiring until the engine lets it go, and ready all the while."""
    publisher.publish()
    watch.check()
    watch.story.clear()
    publisher.publish()
    watch.check()
    watch.watcher.retired(1)

    assert [
        "2 loading, 1 serving",
        "2 serving, 1 retiring",
        "jobs to 2",
        "shapes 1 retires",
        "2 serving",
    ] == watch.story
    assert {True} == {status.ready for status in watch.announced[1:]}


def test_a_retiring_version_keeps_its_classes(watch, publisher):
    """Its last answers still need their labels."""
    publisher.publish()
    watch.check()
    publisher.publish()
    watch.check()

    assert ("circle", "square", "star") == watch.status.default.version(1).loaded.classes


@pytest.mark.parametrize("version", [1, 9], ids=["serving", "unknown"])
def test_only_a_retiring_version_can_go(watch, publisher, version):
    """A word from the engine about any other is no reason to forget it."""
    publisher.publish()
    watch.check()
    watch.watcher.retired(version)

    assert {1: "serving"} == watch.states


def test_a_damaged_version_is_refused_and_the_next_older_serves(watch, publisher, runtime, caplog):
    """The reason names the file; the runtime never sees it."""
    publisher.publish()
    publisher.publish()
    graph = publisher.damage(2)
    watch.check()

    assert {2: "refused", 1: "serving"} == watch.states
    assert re.fullmatch(f"{graph}: has SHA-256 .*; the manifest says .*", watch.reason(2))
    assert [1] == runtime.tried
    assert f"shapes version 2 is refused: {watch.reason(2)}" in caplog.messages


def test_while_older_versions_are_tried_it_is_starting(watch, publisher):
    """A refusal is not the end while there are others to try."""
    publisher.publish()
    publisher.publish()
    publisher.damage(2)
    watch.check()

    starting = {str([v.state for v in s.versions]): s.starting for s in watch.announced}
    assert starting["['refused']"]
    assert starting["['refused', 'loading']"]


def test_the_old_version_serves_on_when_the_new_one_is_damaged(watch, publisher):
    """The service stays ready, and shows the refused version with its reason."""
    publisher.publish()
    watch.check()
    publisher.publish()
    publisher.damage(2)
    watch.check()

    assert {2: "refused", 1: "serving"} == watch.states
    assert watch.status.ready
    assert "saved_model.pb" in watch.reason(2)
    assert 1 == watch.served.version


def test_a_refused_version_is_not_tried_again(watch, publisher, runtime):
    """Neither is an older one, while nothing changes."""
    publisher.publish()
    runtime.failures[1] = ValueError("no such operation")
    for _ in range(3):
        watch.check()

    assert [1] == runtime.tried


def test_a_refused_version_is_tried_again_when_its_files_change(watch, publisher):
    """An operator who mends it needs no restart."""
    publisher.publish()
    publisher.damage(1)
    watch.check()
    refused = watch.states
    publisher.mend(1)
    watch.check()

    assert ({1: "refused"}, {1: "serving"}) == (refused, watch.states)


def test_a_newer_version_is_tried_after_a_refused_one(watch, publisher):
    """The next publish puts things right, and the refused one stays listed."""
    publisher.publish()
    publisher.damage(1)
    watch.check()
    publisher.publish()
    watch.check()

    assert {2: "serving", 1: "refused"} == watch.states


def test_a_refused_version_that_is_removed_is_forgotten(watch, publisher):
    """What is not in the store is not listed."""
    publisher.publish()
    publisher.damage(1)
    watch.check()
    shutil.rmtree(publisher.store.path("shapes", 1))
    watch.check()

    assert {} == watch.states
    assert "holds no version of shapes" in watch.status.reason
    assert ["1 refused", "nothing"] == watch.story[-2:]


def test_when_every_version_is_refused_all_reasons_are_told(watch, publisher, runtime):
    """Newest first."""
    publisher.publish()
    publisher.publish()
    runtime.failures |= {1: ValueError("too old"), 2: ValueError("too new")}
    watch.check()

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
    watch.check()

    assert ({1: "refused"}, reason) == (watch.states, watch.reason(1))


def test_whatever_else_goes_wrong_is_a_refusal_too(watch, publisher):
    """Even a bug in how runtimes are chosen leaves the watcher watching."""
    publisher.publish()
    watch.runtimes = None
    watch.check()

    assert {1: "refused"} == watch.states
    assert "TypeError: 'NoneType' object is not iterable" == watch.reason(1)


def test_a_version_with_wrong_answers_is_refused(watch, publisher, runtime):
    """A runtime that loads it is not enough."""
    publisher.publish()
    runtime.errors[1] = 0.5
    watch.check()

    assert watch.reason(1).startswith("fake f32: golden image ")


def test_the_next_runtime_is_tried(publisher, clock, make_runtime):
    """What one runtime cannot do, another may."""
    first, second = make_runtime("fake bf16"), make_runtime("fake f32")
    first.errors[1] = 0.5
    watch = Watch(publisher.store, clock, first, second)
    publisher.publish()
    watch.check()

    assert {1: "serving"} == watch.states
    assert ([1], [1]) == (first.tried, second.tried)


def test_the_first_good_runtime_is_enough(publisher, clock, make_runtime):
    """Others are not even loaded."""
    first, second = make_runtime("fake bf16"), make_runtime("fake f32")
    watch = Watch(publisher.store, clock, first, second)
    publisher.publish()
    watch.check()

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
    watch.check()

    assert "fake bf16: no bf16 here; fake f32: unknown operation" == watch.reason(1)


def test_without_a_runtime_every_version_is_refused(publisher, clock):
    """The reason is said plainly."""
    watch = Watch(publisher.store, clock)
    publisher.publish()
    watch.check()

    assert "no runtime is installed" == watch.reason(1)


def test_a_version_that_says_it_is_another_is_refused(watch, publisher):
    """A directory that was copied to another number is not what it says it is."""
    publisher.publish()
    shutil.copytree(publisher.store.path("shapes", 1), publisher.store.path("shapes", 2))
    watch.check()

    assert {2: "refused", 1: "serving"} == watch.states
    assert "its metadata.json says that it is version 1 of shapes" == watch.reason(2)


def test_golden_images_of_another_shape_are_refused(watch, publisher):
    """Requests would be checked against a shape that the model was never tried with."""
    publisher.publish(shape=(4, 1, 1))
    watch.check()

    expected = "its golden images have shape (2, 2, 1); its metadata.json says (4, 1, 1)"
    assert expected == watch.reason(1)


def test_what_serves_is_logged_with_its_batches(watch, publisher, runtime, clock, caplog):
    """In one line; where batching does not pay, it says so."""
    caplog.set_level("INFO")
    publisher.publish()
    watch.check()
    load = runtime.load

    def slow(version):
        model = load(version)
        predict = model.predict
        model.predict = lambda parts: (clock.tick(len(parts[0]) / 8), predict(parts))[1]
        return model

    runtime.load = slow
    publisher.publish()
    watch.check()

    about = "serving shapes version {} with fake (f32) in {}; measured per batch: {}"
    fast = about.format(1, "batches of up to 4", "1: 0.00 ms, 2: 0.00 ms, 4: 0.00 ms")
    lone = about.format(
        2, "no batches: they do not pay", "1: 125.00 ms, 2: 250.00 ms, 4: 500.00 ms"
    )
    assert [fast, lone] == caplog.messages


def test_loads_are_counted_by_outcome(watch, publisher, runtime, clock):
    """With the time from finding a version to serving it."""
    publisher.publish()
    publisher.publish()
    runtime.failures[2] = ValueError("no")
    load = runtime.load
    runtime.load = lambda version: (clock.tick(1.5), load(version))[1]
    watch.check()

    assert [("refused", "shapes"), ("served", "shapes", 1, 1.5, 4)] == watch.observer.loads


def test_a_store_that_cannot_be_read_is_told_as_the_reason(publisher, clock, runtime, caplog):
    """It is logged once, not at every look, and over when the store is back."""
    store = FlakyStore(publisher.store)
    store.problem = StoreError("cannot list the versions: /models: Input/output error")
    watch = Watch(store, clock, runtime)
    publisher.publish()
    run(watch, store, looks=3)
    away = watch.status
    store.problem = None
    run(watch, store, looks=1)

    assert (False, False) == (away.ready, away.starting)
    assert "cannot list the versions: /models: Input/output error" == away.reason
    assert 1 == sum("looking at the store failed" in line for line in caplog.messages)
    assert {1: "serving"} == watch.states


def test_a_store_that_goes_away_does_not_end_the_service(publisher, clock, runtime):
    """What serves goes on serving, and the next version is found when the store is back."""
    store = FlakyStore(publisher.store)
    watch = Watch(store, clock, runtime)
    publisher.publish()
    run(watch, store, looks=1)
    store.problem = ZeroDivisionError()
    run(watch, store, looks=2)
    while_away = watch.status
    store.problem = None
    publisher.publish()
    run(watch, store, looks=1)

    assert (True, None) == (while_away.ready, while_away.reason)
    assert 2 == watch.status.serving.version


def run(watch: Watch, store: FlakyStore, *, looks: int) -> None:
    """Let the watcher's thread look at the store some times, then stop it."""
    last = store.looks + looks
    store.on_look = lambda: store.looks == last and watch.watcher.stop()
    watch.watcher._stopped.clear()
    thread = threading.Thread(target=watch.watcher.run, args=(0.0,))
    thread.start()
    thread.join(SAFETY_S)
    assert not thread.is_alive()
