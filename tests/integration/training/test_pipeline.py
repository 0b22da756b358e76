"""A run from data to a published version."""

from __future__ import annotations

import numpy as np
import pytest

from model_store import Golden, ModelStore, StoreError
from model_store.version.metadata import PreparationSpec
from training import pipeline, recipes
from training.data.dataset import ImageData
from training.errors import ComparisonError, DataError
from training.export import export
from training.networks import build
from training.pipeline import run


@pytest.fixture(scope="module")
def short():
    return recipes.read("softmax").model_copy(update={"epochs": 2, "batch_size": 20})


@pytest.fixture(scope="module")
def published(short, data, tmp_path_factory):
    """Return the store and the outcome of one run, for tests that only look."""
    store = ModelStore(tmp_path_factory.mktemp("published"))
    return store, run(short, data, store, "bars", seed=5)


def leftovers(store) -> set[str]:
    """Name what lies in the model's directory beside the versions."""
    return {path.name for path in (store.root / "bars").iterdir() if not path.name.isdecimal()}


def test_a_run_publishes_a_version_that_verifies(published, data):
    """What the version says about itself is what went in and what came out."""
    store, outcome = published

    store.verify("bars", 1)
    metadata = store.metadata("bars", 1)
    assert (1, store.path("bars", 1), metadata.metrics) == (
        outcome.version,
        outcome.path,
        outcome.metrics,
    )
    assert (data.classes, 5, 3 * 785) == (
        metadata.classes,
        metadata.seed,
        metadata.parameter_count,
    )
    assert (108, 12, 30) == (
        metadata.dataset.train_images,
        metadata.dataset.validation_images,
        metadata.dataset.test_images,
    )
    assert data.digests() == metadata.dataset.digests
    assert ("softmax", 2) == (metadata.recipe, metadata.parameters["epochs"])
    assert (30, None) == (metadata.metrics.total, metadata.acceptance.parent)
    assert {"inputs.png", "curves.png", "confusion.png", "mistakes.png", "filters.png"} == {
        path.name for path in (outcome.path / "report").iterdir()
    }
    assert PreparationSpec(kind="digit", keep_exact=True) == metadata.preparation


def test_the_golden_answers_are_those_of_the_version(published, data):
    """Every one of the thirty test images is golden, with a row of probabilities."""
    store, outcome = published
    golden = Golden.read(outcome.path)

    assert np.array_equal(data.test.images, golden.images)
    found = golden.probabilities.argmax(axis=1) == data.test.labels
    assert store.metadata("bars", 1).metrics.correct == found.sum()


def test_a_version_names_the_one_before_it(published, short, data, store):
    """The parent is the newest version, with its accuracy."""
    store.adopt(published[1].path, "bars")
    run(short, data, store, "bars", seed=6)

    acceptance = store.metadata("bars", 2).acceptance
    expected = 1, store.metadata("bars", 1).metrics.accuracy
    assert expected == (acceptance.parent, acceptance.parent_accuracy)


def test_a_damaged_parent_does_not_stop_a_run(published, short, data, store):
    """Its accuracy is unknown, and the new version is published."""
    store.adopt(published[1].path, "bars")
    (store.path("bars", 1) / "metadata.json").write_text("{")

    run(short, data, store, "bars", seed=6)

    acceptance = store.metadata("bars", 2).acceptance
    assert (1, None) == (acceptance.parent, acceptance.parent_accuracy)


def test_a_wrong_export_publishes_nothing(short, data, store, monkeypatch):
    """One bad comparison is the end, and the draft goes with it."""

    def export_another(network, directory):
        export(build(short, network.input_shape[1:], network.output_shape[1]), directory)

    monkeypatch.setattr(pipeline, "export", export_another)

    with pytest.raises(ComparisonError, match="off by"):
        run(short, data, store, "bars", seed=5)

    assert ([], {".publish.lock"}) == (store.versions("bars"), leftovers(store))


def test_a_store_that_cannot_be_written_to_is_noticed_before_the_fit(
    short, data, tmp_path, monkeypatch
):
    """Nobody waits for a fit whose result cannot be kept."""

    def refuse(*_):
        raise AssertionError("the fit was begun")

    (tmp_path / "file").touch()
    monkeypatch.setattr(pipeline, "fit", refuse)

    with pytest.raises(StoreError, match="cannot open a draft"):
        run(short, data, ModelStore(tmp_path / "file" / "models"), "bars", seed=5)


def test_the_last_call_comes_before_the_commit(short, data, store):
    """All is written by then, and nothing is published yet."""
    seen = []

    def look():
        (draft,) = (store.root / "bars").glob(".draft-*")
        seen.append((store.versions("bars"), (draft / "saved_model.pb").is_file()))

    run(short, data, store, "bars", seed=5, before_commit=look)

    assert [([], True)] == seen


def test_the_tutorials_fit_with_the_first_images_only(recipe, data, store):
    """No validation split is taken, and what lies beyond is not used."""
    run(recipe("tutorial-softmax", steps=2, train_first=50), data, store, "bars", seed=0)

    dataset = store.metadata("bars", 1).dataset
    assert (50, 0) == (dataset.train_images, dataset.validation_images)


def test_too_few_images_are_a_sentence(short, data, store):
    """One image per class cannot be split; the error names where they came from."""
    few = ImageData("bars", data.classes, data.train.pick(np.arange(3)), data.test)

    with pytest.raises(DataError, match="bars: cannot set 3 of 3 images aside"):
        run(short, few, store, "bars", seed=0)

    assert [] == store.versions("bars")
