"""One training run from data to a published version."""

from __future__ import annotations

import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from imaging.preparation import usual
from model_store import (
    Acceptance,
    Dataset,
    Description,
    InputSpec,
    Metrics,
    OutputSpec,
    StoreError,
)
from model_store.version.drafts import unsigned
from model_store.version.metadata import PreparationSpec
from training.data.dataset import Split, stratified
from training.evaluation import evaluate
from training.export import RULE, compare, export
from training.fitting import fit
from training.networks import build
from training.report import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model_store import Store
    from model_store.version.drafts import SignHook
    from training.data.dataset import ImageData
    from training.evaluation import Evaluation
    from training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run published."""

    version: int
    path: Path
    metrics: Metrics
    duration_s: float


def run(
    recipe: Recipe,
    data: ImageData,
    store: Store,
    model: str,
    *,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    before_commit: Callable[[], None] = lambda: None,
    sign_hook: SignHook = unsigned,
) -> Outcome:
    """Fit, evaluate, export, compare, call `before_commit`, sign and publish.

    Raises:
        DataError: If there are too few images for the recipe.
        ComparisonError: If the export differs from Keras; nothing is published then.
        StoreError: If the store refuses the version.
    """
    started = time.monotonic()
    with store.draft(model) as draft:  # opened first: nobody fits for hours for a read-only store
        keras.utils.set_random_seed(seed)
        train, validation = _split(recipe, data.train, seed)
        network = build(recipe, data.train.images.shape[1:], len(data.classes))
        history = fit(network, recipe, train, validation, callbacks)
        evaluation = evaluate(network, data.test)
        _write(draft.path, network, history, evaluation, data)
        description = _describe(
            recipe,
            network,
            data,
            seed=seed,
            dataset=_dataset(data, train, validation),
            metrics=evaluation.metrics(data.classes),
            acceptance=_acceptance(store, model),
            duration_s=time.monotonic() - started,
        )
        before_commit()
        version = draft.commit(description, sign_hook)
    path = store.fetch(model, version)  # of an object store, read back and checked
    return Outcome(version, path, description.metrics, description.duration_s)


def _write(
    directory: Path,
    network: keras.Model,
    history: dict[str, list[float]],
    evaluation: Evaluation,
    data: ImageData,
) -> None:
    export(network, directory)
    compare(network, directory, evaluation.test.images)
    evaluation.golden().write(directory)
    write_report(directory / "report", network, history, evaluation, data)


def _split(recipe: Recipe, train: Split, seed: int) -> tuple[Split, Split]:
    """Return the images to fit with and those to validate the fit with."""
    if recipe.train_first is not None:
        indices = np.arange(min(recipe.train_first, len(train)))
        return train.pick(indices), train.pick(indices[:0])
    at_most = max(len(train) // 10, len(np.unique(train.labels)))
    return stratified(train, min(recipe.validation_images, at_most), seed)


def _dataset(data: ImageData, train: Split, validation: Split) -> Dataset:
    return Dataset(
        name=data.name,
        train_images=len(train),
        validation_images=len(validation),
        test_images=len(data.test),
        digests=data.digests(),
    )


def _acceptance(store: Store, model: str) -> Acceptance:
    parent = store.latest(model)
    try:
        accuracy = None if parent is None else store.metadata(model, parent).metrics.accuracy
    except StoreError:  # a damaged version must not keep its successor out
        accuracy = None
    return Acceptance(rule=RULE, parent=parent, parent_accuracy=accuracy)


def _describe(
    recipe: Recipe,
    network: keras.Model,
    data: ImageData,
    *,
    seed: int,
    dataset: Dataset,
    metrics: Metrics,
    acceptance: Acceptance,
    duration_s: float,
) -> Description:
    preparation = data.preparation or usual(network.input_shape[-1])
    return Description(
        classes=data.classes,
        input=InputSpec(name="images", dtype="uint8", shape=network.input_shape[1:]),
        preparation=PreparationSpec(**asdict(preparation)),
        output=OutputSpec(name="probabilities", dtype="float32", shape=(len(data.classes),)),
        recipe=recipe.name,
        parameters=recipe.model_dump(exclude={"name", "summary"}, exclude_none=True),
        seed=seed,
        dataset=dataset,
        metrics=metrics,
        parameter_count=network.count_params(),
        duration_s=round(duration_s, 3),
        code_revision=_code_revision(),
        versions=_versions(),
        acceptance=acceptance,
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


def _code_revision() -> str | None:
    """Name the commit of the checkout this code runs from, if it runs from one."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
