"""The trial: a version must give the answers that it was published with."""

from __future__ import annotations

import re

import numpy as np
import pytest

from app.host.loading.golden_check import TrialFailedError, check_golden
from model_store import Golden

CLASSES = ("circle", "square", "star")


class SloppyModel:
    """Answers right but in batches of one size, where it gives what it is told to."""

    runtime = "fake"
    precision = "f32"

    def __init__(self, model, size: int, answer) -> None:
        self.model = model
        self.size = size
        self.answer = answer

    def predict(self, parts):
        right = self.model.predict(parts)
        return self.answer(right) if len(right) == self.size else right


@pytest.fixture
def golden(make_model) -> Golden:
    images = np.arange(1, 6, dtype=np.uint8).repeat(4).reshape(5, 2, 2, 1)
    return Golden(images=images, probabilities=make_model().predict([images]), tolerance=0.01)


@pytest.fixture
def failure(make_model, golden):
    """Return a function that runs a golden check and returns its error message."""

    def run(answer, *, size: int = 4) -> str:
        with pytest.raises(TrialFailedError) as caught:
            check_golden(SloppyModel(make_model(), size, answer), golden, CLASSES, sizes=(1, 2, 4))
        return str(caught.value)

    return run


def test_a_right_model_passes_at_every_size(make_model, golden):
    """Every golden image is asked about at every size; a size beyond their number repeats them."""
    model = make_model()
    check_golden(model, golden, CLASSES, sizes=(1, 2, 4, 8))

    assert [
        *([[1], [2], [3], [4], [5]]),
        *([[1, 2], [3, 4], [5]]),
        *([[1, 2, 3, 4], [5]]),
        [1, 2, 3, 4, 5, 1, 2, 3],
    ] == model.batches


def test_an_error_within_the_tolerance_passes(make_model, golden):
    """Runtimes round differently."""
    check_golden(make_model(error=0.009), golden, CLASSES, sizes=(1, 2))


def test_a_wrong_probability_fails(failure):
    """The worst one is named, with its image, class, both values and the tolerance."""

    def answer(right):
        right[1:3, 2] += [0.25, 0.5]
        return right

    assert (
        "golden image 2 at batch size 4: the probability of class 'star' is 0.5000, "
        "but it was published with 0.0000 (tolerance 0.01)"
    ) == failure(answer)


def test_a_repeated_image_keeps_its_name(make_model, golden):
    """Where a batch holds an image twice, the number is that of the golden file."""

    def answer(right):
        right[6, 0] = 9
        return right

    with pytest.raises(TrialFailedError, match=r"^golden image 1 at batch size 8: .*'circle'"):
        check_golden(SloppyModel(make_model(), 8, answer), golden, CLASSES, sizes=(1, 2, 4, 8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_no_number_fails(failure, value):
    """NaN is within no tolerance, though it compares with nothing."""

    def answer(right):
        right[3, 1] = value
        return right

    assert (
        f"golden image 3 at batch size 4: the probability of class 'square' is {value:.4f}, "
        in (failure(answer))
    )


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        (lambda right: right[:, :2], (4, 2)),
        (lambda right: right[:3], (3, 3)),
        (lambda right: right[:, 0], (4,)),
    ],
    ids=["a class less", "a row less", "one number per image"],
)
def test_a_wrong_shape_fails(failure, answer, shape):
    """The sentence gives the shape and what was asked for."""
    assert (
        f"the model gives probabilities of shape {shape}; 4 images of 3 classes were expected"
    ) == failure(answer)


def test_classes_that_the_model_does_not_give_fail(make_model, golden):
    """The names in the metadata must be as many as the probabilities."""
    sentence = "the model gives probabilities of shape (1, 3); 1 images of 2 classes were expected"
    with pytest.raises(TrialFailedError, match=f"^{re.escape(sentence)}$"):
        check_golden(make_model(), golden, CLASSES[:2], sizes=(1, 2, 4))
