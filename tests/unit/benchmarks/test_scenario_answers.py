"""What predictions say, and whether it is what their version says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.scenarios.answers import AnswersRead
from tests.benchmarks.scenarios.swaps import _sent_within, kind_of, slope_per_step

ALONE = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.1, 0.9], [0.2, 0.8]]], np.float32)
"""Of two kinds of model, about two requests."""


def body(version, *probabilities):
    """Write an answer."""
    predictions = [{"probabilities": row} for row in probabilities]
    return json.dumps({"model": {"version": version}, "predictions": predictions}).encode()


def read(*bodies):
    """Read answers, which come a second apart, to requests that take turns."""
    answers = AnswersRead()
    for turn, one in enumerate(bodies):
        answers.add(float(turn), turn % 2, one)
    return answers.all()


def test_an_answer_is_read():
    """When it came, what was asked, and of several images the first one's probabilities."""
    answers = read(body(3, [0.9, 0.1], [0.5, 0.5]), body(4, [0.2, 0.8]))

    assert ([0.0, 1.0], [0, 1], [3, 4]) == tuple(
        x.tolist() for x in (answers.done, answers.request, answers.version)
    )
    assert np.array_equal(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), answers.probabilities)


def test_an_answer_that_is_its_versions_is_not_off():
    """Each request is compared with the same request alone."""
    answers = read(body(1, [0.9, 0.1]), body(2, [0.2, 0.8]))

    assert [0.0, 0.0] == answers.off(ALONE, lambda version: version - 1).tolist()


def test_an_answer_of_another_version_is_off():
    """Also one of the right version to another request."""
    answers = read(body(1, [0.1, 0.9]), body(2, [0.1, 0.9]))

    assert [0.8, 0.1] == pytest.approx(answers.off(ALONE, lambda version: version - 1).tolist())


def test_no_answers_are_none():
    """A service that answers nothing has given no wrong answer."""
    assert [] == read().off(ALONE, kind_of).tolist()


def test_versions_are_of_three_kinds_in_turn():
    """The first is the starter's."""
    assert [0, 1, 2, 0, 1] == kind_of(np.arange(1, 6)).tolist()


def test_requests_are_told_apart_by_when_they_were_sent():
    """The end of a span is not in it."""
    records = np.array([(t,) for t in (0, 1, 2, 3, 4, 5)], [("sent", "f8")])

    assert [1, 4] == _sent_within(records, [(1, 2), (4, 5)])["sent"].tolist()


def test_growth_is_told_a_step():
    """Whatever the noise."""
    assert pytest.approx(0.5) == slope_per_step([1, 1.5, 2, 2.5])
    assert np.isnan(slope_per_step([1]))
