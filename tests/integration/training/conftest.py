"""A tiny data set that the smallest network learns in a moment."""

from __future__ import annotations

import os

import numpy as np
import pytest

from model_store import ModelStore
from training import recipes
from training.data.dataset import ImageData, Split

CLASSES = ("left", "right", "both")


def bars(n: int, seed: int) -> Split:
    """Draw a bar on the left, on the right or on both sides, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 40, (n, 28, 28, 1), np.uint8)
    images[labels != 1, 4:24, 4:8] = 220
    images[labels != 0, 4:24, 20:24] = 220
    return Split(images, labels, "bars")


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    """Wait for no disk: nothing in these tests has to survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(scope="session")
def data() -> ImageData:
    return ImageData("bars", CLASSES, bars(120, seed=1), bars(30, seed=2))


@pytest.fixture
def recipe():
    """Return a function that reads a recipe and changes some of its fields."""

    def read(name: str, **changes):
        return recipes.read(name).model_copy(update=changes)

    return read


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")
