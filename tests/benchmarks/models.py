"""The models that are measured, as versions in a store of the benchmark's own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from model_store.operations.starter import seed
from tests.service import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from model_store import ModelStore

NAMES = {"compact": "mnist", "cnn": "cnn"}
"""What the benchmark calls a model -> its name in the store."""
_STEPS = 20
"""How long a network is trained takes no part in how long it computes."""


def prepare(store: ModelStore, name: str) -> Path:
    """Make sure that the store has a version of the model; gives its directory.

    The starter is copied. The `cnn` recipe is trained for a moment on scikit-learn's digits and
    published as any version is, golden images included.
    """
    model = NAMES[name]
    if model == "mnist":
        seed(store, model)
    elif not store.versions(model):
        _train(store.root, name, model)
    latest = store.latest(model)
    assert latest is not None
    return store.path(model, latest)


def _train(root: Path, recipe: str, model: str) -> None:
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        sys.exit(f"the model {recipe} is built here, for which '.[train]' must be installed")
    command = [sys.executable, "-m", "app", "train", "--recipe", recipe, "--data", "digits"]
    command += ["--steps", str(_STEPS), "--store", str(root), "--model", model]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the model {recipe} could not be built:\n{done.stderr}")
