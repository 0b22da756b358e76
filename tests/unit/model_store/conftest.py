"""A store in a temporary directory, and a publisher of small versions."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.cli import main
from model_store import (
    Acceptance,
    Control,
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

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DESCRIPTION = Description(
    classes=("ring", "line"),
    input=InputSpec(name="images", dtype="uint8", shape=(28, 28, 1)),
    output=OutputSpec(name="probabilities", dtype="float32", shape=(2,)),
    recipe="softmax",
    parameters={"scale": 1.0, "optimizer": {"name": "sgd", "rate": 0.5}},
    seed=7,
    dataset=Dataset(
        name="shapes",
        train_images=80,
        validation_images=0,
        test_images=20,
        digests={"train-images": "ab" * 32},
    ),
    metrics=Metrics(
        accuracy=0.95,
        correct=19,
        total=20,
        interval_95=(0.76, 0.99),
        loss=0.2,
        per_class_recall={"ring": 1.0, "line": 0.9},
    ),
    parameter_count=7850,
    duration_s=1.5,
    code_revision=None,
    versions={"python": "3.11.7"},
    acceptance=Acceptance(rule="none", parent=None, parent_accuracy=None),
)
GOLDEN = Golden(
    images=np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28, 1),
    probabilities=np.array([[0.25, 0.75], [1.0, 0.0]], np.float32),
    tolerance=0.01,
)
FILES = (
    "saved_model.pb",
    "fingerprint.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "report/curves.png",
)


class Publisher:
    """Publishes versions that look like real ones and weigh little."""

    description = DESCRIPTION

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def __call__(self, model: str = "mnist") -> int:
        with self._store.draft(model) as draft:
            self.fill(draft.path)
            return draft.commit(DESCRIPTION)

    def fill(self, directory: Path) -> None:
        for name in FILES:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(name.encode() * 10)
        GOLDEN.write(directory)


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    """Wait for no disk: nothing in a unit test has to survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def golden() -> Golden:
    return GOLDEN


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Return an empty store in which it is always noon."""
    return ModelStore(tmp_path / "models", now=lambda: NOON)


@pytest.fixture
def publish(store: ModelStore) -> Publisher:
    return Publisher(store)


@pytest.fixture
def trial(store: ModelStore):
    """Return a function that records that a version passed its golden check, as a service does."""

    def trial(version: int, model: str = "mnist") -> None:
        digest = store.manifest(model, version).digest

        def edit(control: Control) -> Control:
            return control.model_copy(update={"passed": control.passed | {version: digest}})

        store.change(model, "pass", edit, by="glyph-serve", version=version)

    return trial


@pytest.fixture
def models(store, monkeypatch, capsys):
    """Return a function that runs the command line; returns exit code, stdout and stderr."""
    for name in ("GLYPH_MODEL", "GLYPH_VERSION_POLICY", "GLYPH_CACHE_DIR", "GLYPH_CACHE_MIB"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GLYPH_PUBLIC_KEYS", "GLYPH_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GLYPH_STORE", str(store.root))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["glyph", "models", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def three(publish, trial):
    """Publish three versions that passed their trial."""
    for _ in range(3):
        trial(publish())
