"""What runs a version: the first candidate that passes its trial, or a rival that is quicker."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.host.runtimes.choice import Candidate
from app.host.selection import Selection
from app.host.trial import TrialFailedError
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
        metadata = SimpleNamespace(version=7, classes=CLASSES)
        self.selection = Selection(Path("7"), golden, metadata, max_batch=4, clock=clock)

    def candidate(self, name: str, seconds: float, *, rival=None, error: float = 0.0) -> Candidate:
        """Offer a model that needs so long for a batch, and a hundredth more for each image."""

        def load(_version):
            model = self.models[name] = self.make_model(error=error)
            model.precision = name.rpartition(" ")[2]
            model.before = lambda: self.clock.tick(seconds + 0.01)
            return model

        return Candidate(name, load, rival)

    def select(self, *candidates: Candidate):
        return self.selection.select(candidates)


@pytest.fixture
def bench(clock, make_model) -> Bench:
    return Bench(clock, make_model)


def test_what_batches_cost_is_measured_at_every_size(bench):
    """After the trial; sizes that are not worth it are let go."""
    selected = bench.select(bench.candidate("exact", 0.49))

    assert {1: 0.5, 2: 0.5, 4: 0.5} == pytest.approx(selected.curve.seconds)
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

    assert (1, [1]) == (selected.curve.limit, selected.model.sizes)


def test_a_rival_that_is_quicker_takes_over(bench):
    """It has passed the trial as well; nothing was passed over."""
    rival = bench.candidate("rival", 0.2)
    selected = bench.select(bench.candidate("exact", 0.49, rival=rival))

    assert (bench.models["rival"], ()) == (selected.model, selected.passed_over)
    assert 0.21 == pytest.approx(selected.curve.seconds[1])


def test_a_rival_that_is_not_quicker_is_passed_over(bench, caplog):
    """It is compared at the size that matters alone; the reason gives both times."""
    caplog.set_level("INFO")
    rival = bench.candidate("fake bf16", 0.48)
    selected = bench.select(bench.candidate("fake f32", 0.49, rival=rival))

    reason = "fake bf16: a batch of 4 takes 490.00 ms, in f32 500.00 ms"
    assert (bench.models["fake f32"], (reason,)) == (selected.model, selected.passed_over)
    assert [4] == bench.models["fake bf16"].sizes
    assert [f"version 7 not with {reason}"] == caplog.messages


def test_a_rival_must_give_the_right_answers(bench):
    """However quick it is."""
    rival = bench.candidate("fake bf16", 0.1, error=0.5)
    selected = bench.select(bench.candidate("fake f32", 0.49, rival=rival))

    assert bench.models["fake f32"] is selected.model
    assert selected.passed_over[0].startswith("fake bf16: golden image ")


def test_the_rival_of_a_candidate_that_failed_is_not_tried(bench):
    """What the exact one cannot do, the other is not asked for."""
    rival = bench.candidate("rival", 0.1)
    selected = bench.select(
        bench.candidate("wrong", 0.49, rival=rival, error=0.5), bench.candidate("last", 0.9)
    )

    assert bench.models["last"] is selected.model
    assert "rival" not in bench.models


def test_when_none_passes_every_reason_is_told(bench):
    """In the order of trying."""
    with pytest.raises(TrialFailedError, match=r"^one: golden image .*; two: golden image "):
        bench.select(bench.candidate("one", 0.1, error=0.5), bench.candidate("two", 0.1, error=0.5))
