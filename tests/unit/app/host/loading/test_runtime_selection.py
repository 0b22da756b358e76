"""The runtime of a version: the first that passes its trial, or a faster alternative."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.host.loading.golden_check import TrialFailedError
from app.host.loading.runtime_selection import Selection
from app.host.runtimes.base import (
    RuntimeMemoryError,
    RuntimeMissingError,
    RuntimeUnavailableError,
)
from app.host.runtimes.candidates import Candidate
from model_store import Golden

CLASSES = ("circle", "square", "star")


class Bench:
    """A selection, and candidates whose models take the time they are told to."""

    def __init__(self, clock, make_model) -> None:
        self.clock = clock
        self.make_model = make_model
        self.models: dict[str, object] = {}
        images = np.arange(1, 6, dtype=np.uint8).repeat(4).reshape(5, 2, 2, 1)
        golden = Golden(images=images, probabilities=make_model().predict([images]), tolerance=0.01)
        self.golden = golden
        self.selection = self.selection_of(7)

    def selection_of(self, version: int, *, parameters: int = 5, shape=(2, 2, 1)) -> Selection:
        metadata = SimpleNamespace(
            version=version,
            classes=CLASSES,
            parameter_count=parameters,
            input=SimpleNamespace(shape=shape),
        )
        path = Path(str(version))
        return Selection(path, self.golden, metadata, max_batch=4, clock=self.clock)

    def candidate(
        self, name: str, seconds: float, *, alternative=None, error: float = 0.0
    ) -> Candidate:
        """Offer a model that needs so long for a batch, and a hundredth more for each image."""

        def load(_version):
            model = self.models[name] = self.make_model(error=error)
            model.precision = name.rpartition(" ")[2]
            model.before = lambda: self.clock.tick(seconds + 0.01)
            return model

        return Candidate(name, load, alternative)

    def select(self, *candidates: Candidate, like=None):
        model, runtime_plan = self.selection.select(candidates, like)
        return SimpleNamespace(model=model, runtime_plan=runtime_plan)


@pytest.fixture
def bench(clock, make_model) -> Bench:
    return Bench(clock, make_model)


def test_what_batches_cost_is_measured_at_every_size(bench):
    """After the trial; sizes that are not worth it are let go."""
    selected = bench.select(bench.candidate("exact", 0.49))

    assert {1: 0.5, 2: 0.5, 4: 0.5} == pytest.approx(selected.runtime_plan.costs.seconds)
    assert [1, 2, 4] == selected.model.sizes


def test_a_model_that_gains_nothing_by_batches_is_prepared_for_single_images(bench):
    """The limit is one, and no memory is held for more."""
    candidate = bench.candidate("exact", 0.0)
    load = candidate.load

    def slow(version):
        model = load(version)
        predict = model.predict
        model.predict = lambda parts: (bench.clock.tick(len(parts[0])), predict(parts))[1]
        return model

    selected = bench.select(Candidate("slow", slow))

    assert (1, [1]) == (selected.runtime_plan.costs.limit, selected.model.sizes)


def test_a_rival_that_is_quicker_takes_over(bench):
    """It has passed the trial as well; nothing was passed over."""
    alternative = bench.candidate("rival", 0.2)
    selected = bench.select(bench.candidate("exact", 0.49, alternative=alternative))

    assert (bench.models["rival"], ()) == (selected.model, selected.runtime_plan.passed_over)
    assert 0.21 == pytest.approx(selected.runtime_plan.costs.seconds[1])


def test_a_rival_that_is_not_quicker_is_passed_over(bench, caplog):
    """It is compared at the size that matters alone; the reason gives both times."""
    caplog.set_level("INFO")
    alternative = bench.candidate("fake bf16", 0.48)
    selected = bench.select(bench.candidate("fake f32", 0.49, alternative=alternative))

    reason = "fake bf16: a batch of 4 takes 490.00 ms, in f32 500.00 ms"
    assert (bench.models["fake f32"], (reason,)) == (
        selected.model,
        selected.runtime_plan.passed_over,
    )
    assert [4] == bench.models["fake bf16"].sizes
    assert [f"version 7 does not run with {reason}"] == caplog.messages


def test_a_rival_must_give_the_right_answers(bench):
    """However quick it is."""
    alternative = bench.candidate("fake bf16", 0.1, error=0.5)
    selected = bench.select(bench.candidate("fake f32", 0.49, alternative=alternative))

    assert bench.models["fake f32"] is selected.model
    assert selected.runtime_plan.passed_over[0].startswith("fake bf16: golden image ")


def test_the_rival_of_a_candidate_that_failed_is_not_tried(bench):
    """What the exact one cannot do, the other is not asked for."""
    alternative = bench.candidate("rival", 0.1)
    selected = bench.select(
        bench.candidate("wrong", 0.49, alternative=alternative, error=0.5),
        bench.candidate("last", 0.9),
    )

    assert bench.models["last"] is selected.model
    assert "rival" not in bench.models


def test_when_none_passes_every_reason_is_told(bench):
    """In the order of trying."""
    with pytest.raises(TrialFailedError, match=r"^one: golden image .*; two: golden image "):
        bench.select(bench.candidate("one", 0.1, error=0.5), bench.candidate("two", 0.1, error=0.5))


def test_a_version_alike_runs_as_the_one_before(bench):
    """With its costs, for its batches alone, without another trial or a measurement."""
    pair = bench.candidate("exact", 0.49, alternative=bench.candidate("rival", 0.2))
    first = bench.select(pair)
    bench.models.clear()
    bench.selection = bench.selection_of(8)
    began = bench.clock.now
    second = bench.select(pair, like=first.runtime_plan)

    assert (first.runtime_plan, ["rival"]) == (second.runtime_plan, list(bench.models))
    assert second.runtime_plan.costs.sizes == second.model.sizes
    batches = [len(batch) for batch in second.model.batches]
    assert ([1] * 5 + [2] * 2 + [1] + [4, 1]) == batches
    assert 0.21 * len(batches) == pytest.approx(bench.clock.now - began)


@pytest.mark.parametrize(
    "change", [{"parameters": 6}, {"shape": (3, 3, 1)}], ids=["larger", "another input"]
)
def test_a_version_not_alike_is_measured(bench, change):
    """What its batches cost is not known from another."""
    exact = bench.candidate("exact", 0.49)
    first = bench.select(exact)
    bench.selection = bench.selection_of(8, **change)

    assert (7, 8) == (
        first.runtime_plan.version,
        bench.select(exact, like=first.runtime_plan).runtime_plan.version,
    )


def test_a_rival_that_was_wrong_once_is_tried_on_the_next_version(bench):
    """Whether less exact arithmetic will do depends on the weights."""
    alternative = bench.candidate("rival", 0.1, error=0.5)
    first = bench.select(bench.candidate("exact", 0.49, alternative=alternative))
    bench.selection = bench.selection_of(8)
    alternative = bench.candidate("rival", 0.1)
    second = bench.select(
        bench.candidate("exact", 0.49, alternative=alternative), like=first.runtime_plan
    )

    assert ("exact", "rival") == (first.runtime_plan.candidate, second.runtime_plan.candidate)


def test_a_version_that_fails_as_the_one_before_is_tried_every_way(bench, caplog):
    """It is measured, as if it were the first."""
    caplog.set_level("INFO")
    pair = bench.candidate("exact", 0.49, alternative=bench.candidate("rival", 0.2))
    first = bench.select(pair)
    bench.selection = bench.selection_of(8)
    alternative = bench.candidate("rival", 0.2, error=0.5)
    second = bench.select(
        bench.candidate("exact", 0.49, alternative=alternative), like=first.runtime_plan
    )

    assert ("exact", 8) == (second.runtime_plan.candidate, second.runtime_plan.version)
    assert caplog.messages[0].startswith("measuring version 8 again: rival: golden image ")
    assert second.runtime_plan.passed_over[0].startswith("rival: golden image ")


@pytest.mark.parametrize(
    ("failures", "lasting"),
    [
        ([], False),
        ([MemoryError()], False),
        ([RuntimeMissingError("TensorFlow is not installed")], False),
        ([RuntimeUnavailableError("unknown operation")], True),
        ([RuntimeUnavailableError("unknown"), RuntimeMissingError("not installed")], True),
        ([MemoryError(), RuntimeUnavailableError("unknown operation")], False),
        ([RuntimeMemoryError("no room")], False),
    ],
)
def test_what_this_machine_lacks_is_told_apart(bench, failures, lasting):
    """A version must not be given up everywhere because one machine cannot run any."""

    def fail(failure):
        raise failure

    candidates = [Candidate("one", lambda _v, f=failure: fail(f)) for failure in failures]
    with pytest.raises(TrialFailedError) as caught:
        bench.select(*candidates)

    assert lasting == caught.value.lasting
