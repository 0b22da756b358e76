"""Named fakes that several modules share: a clock, a model, a runtime, a store."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model_store import (
    Acceptance,
    Dataset,
    Description,
    Golden,
    InputSpec,
    Metrics,
    ModelStore,
    OutputSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2, 1)


class FakeClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


class FakeModel:
    """Gives every image its first pixel as the probability of the first class.

    So a test sees by the answer which image was asked about. A model told to be poisoned raises
    when a batch holds that pixel.
    """

    runtime = "fake"
    precision = "f32"

    def __init__(self, *, classes: int = len(CLASSES), error: float = 0.0) -> None:
        self.classes = classes
        self.error = error
        self.poison: int | None = None
        self.batches: list[list[int]] = []
        self.before = lambda: None

    def predict(self, images):
        self.before()
        marks = images[:, 0, 0, 0]
        self.batches.append(marks.tolist())
        if self.poison in marks:
            raise ValueError("poisonous")
        probabilities = np.zeros((len(images), self.classes), np.float32)
        probabilities[:, 0] = marks + self.error
        return probabilities


class FakeRuntime:
    """Loads every version as a right model, unless told otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tried: list[int] = []
        self.failures: dict[int, Exception] = {}
        self.errors: dict[int, float] = {}

    def load(self, version: Path) -> FakeModel:
        number = int(version.name)
        self.tried.append(number)
        if number in self.failures:
            raise self.failures[number]
        return FakeModel(error=self.errors.get(number, 0.0))


class Publisher:
    """Publishes versions whose files are made up, but listed and golden as real ones are."""

    def __init__(self, root: Path) -> None:
        self.store = ModelStore(root, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def publish(self, *, shape: tuple[int, int, int] = SHAPE) -> int:
        with self.store.draft("shapes") as draft:
            (draft.path / "saved_model.pb").write_bytes(b"a graph")
            images = np.arange(1, 6, dtype=np.uint8).repeat(4).reshape(5, *SHAPE)
            Golden(images=images, probabilities=FakeModel().predict(images), tolerance=0.01).write(
                draft.path
            )
            return draft.commit(description(shape))

    def damage(self, version: int) -> Path:
        """Change a byte of a version; gives the file."""
        return self._rewrite(version, b"a grapH")

    def mend(self, version: int) -> None:
        self._rewrite(version, b"a graph")

    def _rewrite(self, version: int, content: bytes) -> Path:
        """Change a file, and its time even on a file system with a coarse clock."""
        path = self.store.path("shapes", version) / "saved_model.pb"
        changed_ns = path.stat().st_mtime_ns + 10**9
        path.write_bytes(content)
        os.utime(path, ns=(changed_ns, changed_ns))
        return path


def description(shape: tuple[int, int, int]) -> Description:
    """Say of a made-up version what every version says of itself."""
    return Description(
        classes=CLASSES,
        input=InputSpec(name="images", dtype="uint8", shape=shape),
        output=OutputSpec(name="probabilities", dtype="float32", shape=(len(CLASSES),)),
        recipe="fake",
        parameters={},
        seed=0,
        dataset=Dataset(
            name="shapes", train_images=9, validation_images=3, test_images=5, digests={}
        ),
        metrics=Metrics(
            accuracy=0.8,
            correct=4,
            total=5,
            interval_95=(0.376, 0.964),
            loss=0.5,
            per_class_recall=dict.fromkeys(CLASSES, 0.8),
        ),
        parameter_count=1,
        duration_s=1.0,
        code_revision=None,
        versions={},
        acceptance=Acceptance(rule="always", parent=None, parent_accuracy=None),
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_model() -> type[FakeModel]:
    return FakeModel


@pytest.fixture
def make_runtime() -> type[FakeRuntime]:
    return FakeRuntime


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "models")
