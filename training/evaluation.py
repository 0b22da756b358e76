"""Measures a network on the whole held-out set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

from model_store import Golden, Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray

    from training.data.dataset import Split

_GOLDEN_EACH = 32
_GOLDEN_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the network said about every test image."""

    test: Split
    probabilities: NDArray[np.float32]
    """Shape (n, classes)."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of every image."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    def confusion(self) -> NDArray[np.int64]:
        """Count (true class, predicted class)."""
        classes = self.probabilities.shape[1]
        flat = np.bincount(self.test.labels * classes + self.predicted, minlength=classes**2)
        return flat.reshape(classes, classes)

    def metrics(self, classes: Sequence[str]) -> Metrics:
        """Sum up, with Wilson's 95 % interval of the accuracy."""
        confusion = self.confusion()
        correct, total = int(np.trace(confusion)), len(self.test)
        interval = binomtest(correct, total).proportion_ci(0.95, method="wilson")
        of_truth = self.probabilities[np.arange(total), self.test.labels]
        counts = confusion.sum(axis=1)
        recall = np.diag(confusion) / np.maximum(counts, 1)
        return Metrics(
            accuracy=correct / total,
            correct=correct,
            total=total,
            interval_95=(float(interval.low), float(interval.high)),
            loss=float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()),
            per_class_recall={
                name: share
                for name, share, there in zip(classes, recall.tolist(), counts, strict=True)
                if there
            },
        )

    def golden(self) -> Golden:
        """Choose the images a runtime is tried with: the first ones, and the closest calls."""
        top = np.sort(self.probabilities, axis=1)
        closest = np.argsort(top[:, -1] - top[:, -2], kind="stable")[:_GOLDEN_EACH]
        picks = np.unique(np.concatenate([np.arange(min(_GOLDEN_EACH, len(self.test))), closest]))
        return Golden(
            images=self.test.images[picks],
            probabilities=self.probabilities[picks],
            tolerance=_GOLDEN_TOLERANCE,
        )


def evaluate(network: keras.Model, test: Split) -> Evaluation:
    """Run every test image through the network."""
    logits = network.predict(test.images, batch_size=500, verbose=0)
    return Evaluation(test, softmax(logits.astype(np.float64), axis=1).astype(np.float32))
