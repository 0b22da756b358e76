"""Do two models of different shapes serve side by side, each with swaps of its own?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import requests
from tqdm import tqdm

from model_store import ModelStore
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, took
from tests.benchmarks.scenarios.stage import ENDLESS_S, Generators, json_option, served
from tests.benchmarks.scenarios.states import default_of, wait_for_default
from tests.benchmarks.scenarios.variants import MNIST, SHAPES, marked, publish
from tests.service import PATIENCE_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.load import Measured
    from tests.service import Service

_IMAGES = 8
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Served:
    """One of the models, whose versions are of its kinds in turn."""

    name: str
    path: str
    kinds: tuple[str, ...]

    def images(self) -> NDArray[np.uint8]:
        """Return images that its kinds disagree about."""
        return marked(self.kinds[0], _IMAGES)

    def kind_of(self, version: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the kind of a version."""
        return (version - 1) % len(self.kinds)

    def publish(self, store: ModelStore) -> int:
        """Publish the next version."""
        latest = store.latest(self.name) or 0
        return publish(store, self.name, self.kinds[latest % len(self.kinds)])

    def alone(self, service: Service) -> NDArray[np.float32]:
        """Ask about each image by itself; gives (images, classes)."""
        answers = [
            requests.post(
                service.url + self.path, json={"instances": [image.tolist()]}, timeout=PATIENCE_S
            ).json()
            for image in self.images()
        ]
        return np.array([one["predictions"][0]["probabilities"] for one in answers], np.float32)

    def load(self, clients: int) -> Closed:
        """Ask about one image at a time."""
        bodies = [as_json(image[np.newaxis], self.path) for image in self.images()]
        return Closed(requests=bodies, clients=clients, seconds=ENDLESS_S, read=True)


DIGITS = Served("mnist", "/predict", MNIST)
COLOURED = Served("shapes", "/models/shapes/predict", SHAPES)
MODELS = (DIGITS, COLOURED)


@click.command(name="two-models")
@click.option("--swaps", default=20, show_default=True, help="Of each model.")
@click.option("--clients", default=16, show_default=True, help="Of each model.")
@json_option
def two_models(swaps: int, clients: int, json_path: Path | None) -> None:
    """Swap versions of 28 x 28 x 1 and of 32 x 32 x 3 while clients ask both without pause.

    python -m tests.benchmarks.scenarios two-models --swaps 5
    """
    report = Report(f"Two models, {swaps} swaps of each under {clients} clients of each")
    with tempfile.TemporaryDirectory() as place:
        store = ModelStore(Path(place) / "models")
        for model in MODELS:
            model.publish(store)
        with served(store.root, precision="f32") as service, Generators(service.port, 2) as pool:
            alone = {model.name: _alone(service, store, model) for model in MODELS}
            with (
                pool.load(DIGITS.load(clients)) as digits,
                pool.load(COLOURED.load(clients)) as coloured,
            ):
                _swap(report, service, store, swaps)
        _tell(report, DIGITS, digits.result(), alone["mnist"])
        _tell(report, COLOURED, coloured.result(), alone["shapes"])
    report.finish(json_path)


def _alone(service: Service, store: ModelStore, model: Served) -> NDArray[np.float32]:
    """Publish until every kind has been asked; gives (kinds, images, classes)."""
    wait_for_default(service, 1, model.name)
    answers = [model.alone(service)]
    for _ in model.kinds[1:]:
        wait_for_default(service, model.publish(store), model.name)
        answers.append(model.alone(service))
    return np.array(answers)


def _swap(report: Report, service: Service, store: ModelStore, swaps: int) -> None:
    """Swap the models in turn; a swap of one must leave the other where it was."""
    disturbed = 0
    for _ in tqdm(range(swaps), unit="swap", desc="swaps", leave=False, disable=None):
        for model, other in (MODELS, MODELS[::-1]):
            before = default_of(service, other.name)
            wait_for_default(service, model.publish(store), model.name)
            disturbed += default_of(service, other.name) != before
    report.add("swaps of one that changed the other", str(disturbed), "0", holds=not disturbed)


def _tell(report: Report, model: Served, measured: Measured, alone: NDArray[np.float32]) -> None:
    failed, answers = failures(measured.records), measured.answers
    common = "; ".join(f"{s} {text} ({n})" for (s, text), n in measured.sentences.most_common(3))
    shape = " x ".join(map(str, model.images().shape[1:]))
    report.add(
        f"{model.name} ({shape}): failed",
        f"{failed or 0} of {len(measured.records):,} {common}; {p50_p99(took(measured.records))}",
        "0",
        holds=not failed,
    )
    off = answers.off(alone, model.kind_of)
    wrong = int((off > _TOLERANCE).sum())
    report.add(
        f"{model.name}: answers that are not those of the version they name",
        f"{wrong:,} of {len(np.unique(answers.version))} versions; largest difference "
        f"{off.max(initial=0):.2g}",
        f"0; at most {_TOLERANCE:g}",
        holds=not wrong,
    )
