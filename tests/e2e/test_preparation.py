"""What training reports of a folder's pictures is what the service answers to the same files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from glyph_client import Glyph
from model_store import ModelStore
from tests.picture_folders import KINDS, write_folders
from tests.service import PATIENT, Service
from training import recipes
from training.data.sources import load
from training.pipeline import run

if TYPE_CHECKING:
    from pathlib import Path

TRAIN, TEST = 600, 60
CHOSEN = dict.fromkeys(KINDS, "digit") | {"coloured": "fit", "photographs": "fit"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Write every kind of folder."""
    root = tmp_path_factory.mktemp("folders")
    digits = load("digits", None)
    parts = {
        name: (split.images[:n, ..., 0], split.labels[:n])
        for name, split, n in (("train", digits.train, TRAIN), ("test", digits.test, TEST))
    }
    for kind in KINDS:
        write_folders(root / kind, kind, parts)
    return root


@pytest.fixture(scope="module")
def store(folders, tmp_path_factory) -> ModelStore:
    """Publish a model that was trained on each."""
    store = ModelStore(tmp_path_factory.mktemp("store") / "models")
    recipe = recipes.read("softmax").lasting(steps=None, epochs=4)
    for kind in KINDS:
        run(recipe, load(str(folders / kind), None), store, kind, seed=0)
    return store


@pytest.fixture(scope="module")
def service(store, tmp_path_factory):
    """Serve them all."""
    log = tmp_path_factory.mktemp("log") / "log"
    settings = PATIENT | {"precision": "f32"}  # bf16 may make a tie of a close call
    with Service(store.root, log, model=next(iter(KINDS)), **settings) as service:
        service.ready()
        yield service


class Front:
    """One way to ask for a file's label."""

    def __init__(self, service, kind: str, classes: tuple[str, ...]) -> None:
        self._url, self._kind, self._classes = service.url, kind, classes
        self._predict = f"{service.url}/models/{kind}/predict"

    def body(self, file: Path) -> str:
        kind = "image/jpeg" if file.suffix == ".jpg" else "image/png"
        answer = requests.post(
            self._predict, file.read_bytes(), headers={"Content-Type": kind}, timeout=60
        )
        return self._label(answer)

    def form(self, file: Path) -> str:
        with file.open("rb") as opened:
            return self._label(requests.post(self._predict, files={"image": opened}, timeout=60))

    def base64(self, file: Path) -> str:
        image = {"b64": base64.b64encode(file.read_bytes()).decode()}
        return self._label(requests.post(self._predict, json={"instances": [image]}, timeout=60))

    def open_inference(self, file: Path) -> str:
        url = f"{self._url}/v2/models/{self._kind}/infer"
        data = [base64.b64encode(file.read_bytes()).decode()]
        tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": data}
        answer = requests.post(url, json={"inputs": [tensor]}, timeout=60).json()
        return self._classes[int(np.argmax(answer["outputs"][0]["data"]))]

    def client(self, file: Path) -> str:
        with Glyph(self._url, model=self._kind) as glyph:
            return glyph.predict(file).label

    def _label(self, answer: requests.Response) -> str:
        assert 200 == answer.status_code, answer.text
        return answer.json()["predictions"][0]["label"]


@pytest.mark.parametrize("front", ["body", "form", "base64", "open_inference", "client"])
@pytest.mark.parametrize("kind", KINDS)
def test_reported_is_served(service, store, folders, kind, front):
    """Through every front that takes pictures."""
    metadata = store.metadata(kind, 1)
    ask = getattr(Front(service, kind, metadata.classes), front)

    right = sum(
        ask(file) == file.parent.name for file in sorted((folders / kind / "test").glob("*/*"))
    )

    assert (metadata.metrics.correct, metadata.metrics.total) == (right, TEST)


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_names_its_preparation(service, store, kind):
    """In its metadata, and to callers."""
    preparation = store.metadata(kind, 1).preparation
    served = requests.get(f"{service.url}/models/{kind}/versions/1", timeout=60).json()

    assert CHOSEN[kind] == preparation.kind == served["preparation"]["kind"]
