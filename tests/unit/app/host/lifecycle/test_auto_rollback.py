"""After a swap: a new version that turns bad gives way to the one before it, by itself."""

from __future__ import annotations

import pytest

from app.host.batching.reply import deliver
from app.host.lifecycle.auto_rollback import RollbackMonitor
from app.host.lifecycle.reconciler import ModelVersions
from app.host.loading.loader import Loader
from app.ipc.frames import Answer, Refusal, Refused
from model_store import StoreError
from tests.unit.app.fakes import (
    FakeEngine,
    FakeObserver,
    FakeTrials,
    FlakyStore,
    make_intake,
    make_journal,
)

SHAPES = "shapes"
WINDOW_S = 60


class Swap:
    """A model of which version 2 has just taken over from version 1."""

    def __init__(self, publisher, clock, runtime) -> None:
        self.store = FlakyStore(publisher.store)
        self.publisher = publisher
        self.clock = clock
        self.engine = FakeEngine([])
        self.observer = FakeObserver()
        self.failures = 0
        self.room = True
        self.replays: list[tuple] = []
        rollback_monitor = RollbackMonitor(
            self.store, self.submit, lambda *_: self.failures, window_s=WINDOW_S, clock=clock
        )
        trials = FakeTrials(Loader(lambda: iter([runtime]), max_batch=4, clock=clock))
        journal = make_journal(self.store, clock)
        self.versions = ModelVersions(
            self.store,
            SHAPES,
            policy="latest",
            intake=make_intake(self.store, SHAPES, trials, journal),
            journal=journal,
            engine=self.engine,
            notify=lambda: None,
            observer=self.observer,
            rollback_monitor=rollback_monitor,
            clock=clock,
        )
        self.engine.on_routed = lambda _model: self.versions.publish_status()
        self.sync = self.versions.sync
        for _ in range(2):
            publisher.publish()
            self.sync()

    def submit(self, model, version, images, reply_to):
        if self.room:
            self.replays.append((model, version, images, reply_to))
        return self.room

    def answer(self, *, error: float = 0.0) -> None:
        """Answer the golden images that were run last."""
        model, version, images, reply_to = self.replays[-1]
        found = self.engine.versions[model, version].model.predict([images]) + error
        deliver([(reply_to, Answer(version, 0.0, 0.0, found))])

    @property
    def serving(self) -> set[int]:
        return {v.version for v in self.versions.status().versions if v.state == "serving"}

    @property
    def default(self) -> int | None:
        return self.versions.status().default


@pytest.fixture
def swap(publisher, clock, make_runtime) -> Swap:
    return Swap(publisher, clock, make_runtime("fake f32"))


def test_the_version_before_stays_loaded_for_a_while(swap):
    """It can come back at once; when the time is over, it goes."""
    swap.sync()
    during = swap.serving
    swap.clock.tick(WINDOW_S)
    swap.sync()

    assert ({1, 2}, {2}, 2) == (during, swap.serving, swap.default)
    assert not swap.versions.due


def test_golden_images_are_run_again_once_a_second(swap):
    """Through the new version, and not again before the last ones are answered."""
    swap.sync()
    swap.clock.tick(5)
    swap.sync()
    unanswered = len(swap.replays)
    swap.answer()
    swap.sync()
    swap.sync()

    assert (1, 2) == (unanswered, len(swap.replays))
    assert {(SHAPES, 2)} == {replay[:2] for replay in swap.replays}
    assert swap.versions.due


def test_wrong_golden_answers_bring_the_version_before_back(swap, caplog):
    """It is pinned, and the new one quarantined; the audit trail says why."""
    swap.sync()
    swap.answer(error=0.5)
    swap.sync()

    last = swap.store.history(SHAPES)[-1]
    reason = last.control.quarantined[2].reason
    assert (1, {SHAPES: 1}, {1}) == (swap.default, swap.engine.defaults, swap.serving)
    assert reason.startswith("golden image 0 run again while it served: the probability of class")
    assert ("rollback", 1, "glyph-serve") == (last.action, last.version, last.by)
    assert (1, {"stable": 1}) == (last.control.pinned, last.control.labels)
    assert f"version 2: {reason}" == last.reason
    assert ([SHAPES], 2) == (swap.observer.rollbacks, swap.observer.swaps)
    assert f"rolling back shapes from version 2 to 1: {reason}" in caplog.messages


def test_a_rollback_holds_though_a_newer_version_comes(swap):
    """And so the one that was given up is shown as refused."""
    swap.sync()
    swap.answer(error=0.5)
    swap.sync()
    swap.publisher.publish()
    swap.sync()
    swap.engine.drop_idle()

    states = {v.version: v.state for v in swap.versions.status().versions}
    assert ({3: "serving", 2: "refused", 1: "serving"}, 1) == (states, swap.default)


@pytest.mark.parametrize(("failures", "default"), [(2, 2), (3, 1)])
def test_failed_requests_bring_the_version_before_back(swap, failures, default):
    """A few are an accident, more are not; those before the swap are not its own."""
    swap.failures += failures
    swap.sync()

    assert default == swap.default


def test_a_model_that_fails_on_golden_images_is_bad(swap):
    """Whatever the reason, they were answered at its trial."""
    swap.sync()
    reply_to = swap.replays[-1][-1]
    reply_to.receiver.answered(Refused(Refusal.FAILED, 0.0, "the model failed on these images"))
    swap.sync()

    assert 1 == swap.default
    reason = swap.store.control(SHAPES).quarantined[2].reason
    assert "the model failed on these images" == reason


def test_golden_images_without_memory_say_nothing_about_the_version(swap):
    """They are run again later; other hosts have more memory."""
    swap.sync()
    swap.replays[-1][-1].receiver.answered(Refused(Refusal.OVERLOADED, 1.0, "too little memory"))
    swap.sync()

    assert (2, {}) == (swap.default, swap.store.control(SHAPES).quarantined)


def test_where_there_is_no_room_they_are_run_later(swap):
    """Requests go first."""
    swap.room = False
    swap.sync()
    swap.room = True
    swap.sync()
    too_early = len(swap.replays)
    swap.clock.tick(1)
    swap.sync()

    assert (0, 1) == (too_early, len(swap.replays))


def test_a_store_that_is_away_keeps_nothing_from_going_back(swap):
    """The swap is made; that it is written nowhere, the host remembers until it ends."""
    swap.sync()
    swap.answer(error=0.5)
    swap.store.problem = StoreError("the store is away")
    swap.store.writable = False
    with pytest.raises(StoreError, match="the store is away"):
        swap.sync()
    at_once = swap.default
    swap.store.problem = None
    swap.sync()

    assert (1, 1) == (at_once, swap.default)
    assert {} == swap.store.control(SHAPES).quarantined


def test_a_version_that_was_given_up_can_be_released(swap):
    """It is loaded again; what was pinned stays the default."""
    swap.sync()
    swap.answer(error=0.5)
    swap.sync()
    release = lambda control: control.model_copy(update={"quarantined": {}})  # noqa: E731
    swap.store.change(SHAPES, "release", release, by="ann", version=2)
    swap.sync()

    assert ({1, 2}, 1) == (swap.serving, swap.default)


def test_an_operator_who_goes_back_ends_the_watch(swap):
    """An older version that comes back is not watched: what would come after it was given up."""
    swap.sync()
    pin = lambda control: control.model_copy(update={"pinned": 1})  # noqa: E731
    swap.store.change(SHAPES, "pin", pin, by="ann", version=1)
    swap.sync()
    swap.sync()

    assert (1, False) == (swap.default, swap.versions.due)


def test_without_golden_images_failures_are_watched(swap, caplog):
    """They could not be read after the swap; that is said."""
    swap.store.fetch = refuse
    unpin = lambda control: control.model_copy(update={"pinned": None})  # noqa: E731
    pin = lambda control: control.model_copy(update={"pinned": 1})  # noqa: E731
    for edit in (pin, unpin):
        swap.store.change(SHAPES, "test", edit, by="ann")
        swap.sync()
    swap.replays.clear()
    swap.sync()
    swap.failures += 3
    swap.sync()

    assert ([], 1) == (swap.replays, swap.default)
    assert "the golden images of shapes version 2 are not run: cannot fetch" in caplog.messages


def refuse(*_):
    raise StoreError("cannot fetch")
