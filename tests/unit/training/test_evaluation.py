"""Metrics on answers whose counts are known."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.dataset import Split
from training.evaluation import Evaluation, evaluate


class Oracle:
    """A network that gives the logits it was made with."""

    def __init__(self, logits: np.ndarray) -> None:
        self._logits = logits

    def predict(self, images: np.ndarray, batch_size: int, verbose: int) -> np.ndarray:
        del batch_size, verbose
        return self._logits[: len(images)]


def split(labels: list[int]) -> Split:
    images = np.zeros((len(labels), 28, 28, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels)) % 256
    return Split(images, np.array(labels), "a test")


@pytest.fixture
def evaluation() -> Evaluation:
    """Three of class 0 all right, four of class 1 half right, one of class 2 taken for a 0."""
    predicted = [0, 0, 0, 1, 1, 2, 0, 0]
    probabilities = np.full((8, 3), 0.1, np.float32)
    probabilities[np.arange(8), predicted] = 0.8
    return Evaluation(split([0, 0, 0, 1, 1, 1, 1, 2]), probabilities)


def test_confusion_counts_truth_by_prediction(evaluation):
    """Rows are true classes, columns predicted ones."""
    assert [[3, 0, 0], [1, 2, 1], [1, 0, 0]] == evaluation.confusion().tolist()


def test_metrics_follow_from_the_confusion(evaluation):
    """Accuracy, loss and recall are those of five right answers in eight."""
    metrics = evaluation.metrics(["zero", "one", "two"])

    assert (5, 8, 0.625) == (metrics.correct, metrics.total, metrics.accuracy)
    assert {"zero": 1.0, "one": 0.5, "two": 0.0} == metrics.per_class_recall
    assert pytest.approx(-(5 * np.log(0.8) + 3 * np.log(0.1)) / 8) == metrics.loss


def test_a_class_that_the_test_set_lacks_has_no_recall(evaluation):
    """It would be 0, as if every image of it were wrong."""
    probabilities = np.pad(evaluation.probabilities, ((0, 0), (0, 1)))

    metrics = Evaluation(evaluation.test, probabilities).metrics(["zero", "one", "two", "three"])

    assert {"zero": 1.0, "one": 0.5, "two": 0.0} == metrics.per_class_recall


def test_the_interval_is_wilsons():
    """81 right in 100 give the interval that textbooks print: 0.722 to 0.875."""
    right = np.eye(2, dtype=np.float32)[[0] * 81 + [1] * 19]

    low, high = Evaluation(split([0] * 100), right).metrics(["a", "b"]).interval_95

    assert (pytest.approx(0.7222, abs=1e-4), pytest.approx(0.8749, abs=1e-4)) == (low, high)


def test_a_certain_mistake_costs_a_finite_loss():
    """A true class with probability zero does not make the mean infinite."""
    certain = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)

    assert np.isfinite(Evaluation(split([0, 1]), certain).metrics(["a", "b"]).loss)


def test_evaluation_covers_every_image():
    """Logits become probabilities for the whole test set, however large they are."""
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0], [0.0, 0.0]])

    probabilities = evaluate(Oracle(logits), split([0, 0, 0])).probabilities

    expected = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    assert pytest.approx(expected) == probabilities


def test_golden_images_are_the_first_and_the_closest_calls():
    """Thirty-two from the front and the thirty-two with the smallest margin, each once."""
    margin = np.linspace(0.9, 0.1, 200)
    probabilities = np.stack([(1 + margin) / 2, (1 - margin) / 2], axis=1).astype(np.float32)

    golden = Evaluation(split([0] * 200), probabilities).golden()

    assert [*range(32), *range(168, 200)] == golden.images[:, 0, 0, 0].tolist()
    assert np.array_equal(probabilities[[0, 199]], golden.probabilities[[0, -1]])


def test_a_small_test_set_is_golden_as_a_whole():
    """Fewer images than are wanted are all taken, each once."""
    probabilities = np.full((5, 2), 0.5, np.float32)

    assert 5 == len(Evaluation(split([0] * 5), probabilities).golden().images)
