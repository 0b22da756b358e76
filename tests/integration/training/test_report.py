"""The pictures beside a version."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from training.data.dataset import ImageData, Split
from training.evaluation import Evaluation
from training.networks import build
from training.report import write_report

FIVE = {"inputs", "curves", "confusion", "mistakes", "filters"}
HISTORY = {"loss": [2.0, 1.0], "accuracy": [0.2, 0.6], "val_loss": [2.1, 1.2]}


def evaluation(right: int, wrong: int, classes: int) -> Evaluation:
    """Return the requested number of right and wrong answers."""
    n = right + wrong
    labels = np.arange(n) % classes
    predicted = np.where(np.arange(n) < right, labels, (labels + 1) % classes)
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28, 1), np.uint8)
    answers = np.eye(classes, dtype=np.float32)[predicted] * 0.8 + 0.1
    return Evaluation(Split(images, labels, "a test"), answers)


def data(classes: int) -> ImageData:
    split = evaluation(2 * classes, 0, classes).test
    return ImageData("noise", tuple(f"class {index}" for index in range(classes)), split, split)


def pictures(directory) -> set[str]:
    """Name the pictures, each of which must open and show more than one colour."""
    for path in directory.iterdir():
        with Image.open(path) as image:
            assert len(image.getcolors(2**20)) > 2, path
    return {path.stem for path in directory.iterdir()}


def test_a_network_without_convolutions_has_five(recipe, tmp_path):
    """Inputs, curves, confusion, mistakes and the first layer's weights apply to any network."""
    network = build(recipe("softmax"), (28, 28, 1), 3)

    write_report(tmp_path / "report", network, HISTORY, evaluation(20, 10, 3), data(3))

    assert FIVE == pictures(tmp_path / "report")


def test_a_network_with_convolutions_shows_what_it_sees(recipe, tmp_path):
    """The first layer's feature maps are there as well."""
    network = build(recipe("compact"), (28, 28, 1), 3)

    write_report(tmp_path / "report", network, HISTORY, evaluation(20, 10, 3), data(3))

    assert FIVE | {"feature_maps"} == pictures(tmp_path / "report")


def test_a_network_with_a_hidden_layer_shows_its_units(tmp_path):
    """They are no classes, and more or fewer than these."""
    images = keras.Input((28, 28, 1), dtype="uint8")
    hidden = keras.layers.Dense(5, "relu")(keras.layers.Flatten()(images))
    network = keras.Model(images, keras.layers.Dense(3)(hidden))

    write_report(tmp_path / "report", network, HISTORY, evaluation(20, 10, 3), data(3))

    assert FIVE == pictures(tmp_path / "report")


@pytest.mark.parametrize(
    ("right", "wrong", "classes"),
    [(30, 0, 3), (0, 9, 2), (100, 3, 62)],
    ids=["all right", "all wrong", "many classes"],
)
def test_every_result_can_be_drawn(recipe, tmp_path, right, wrong, classes):
    """Neither perfection nor failure stops a publish."""
    network = build(recipe("softmax"), (28, 28, 1), classes)

    write_report(
        tmp_path / "report",
        network,
        {"loss": [0.0], "accuracy": [1.0]},
        evaluation(right, wrong, classes),
        data(classes),
    )

    assert FIVE == pictures(tmp_path / "report")
