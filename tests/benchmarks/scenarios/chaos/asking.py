"""The steady load: correct requests on every front, about images that tell variants apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import orjson

from model_store import Golden
from tests.benchmarks.scenarios.chaos.judging import FRONTS, FrontJudge
from tests.benchmarks.scenarios.images import as_json, as_raw
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.stage import ENDLESS_S
from tests.benchmarks.scenarios.variants import MNIST, marked, variants
from tests.benchmarks.scenarios.wire import JSON, request

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_IMAGES = 16
_CLIENTS = 2
"""Of each front; they ask about 150 times a second together, which leaves most of a core."""
_PAUSE_S = 0.05


def steady_load() -> list[Closed]:
    """Return a stream for each front, in the order of FRONTS."""
    bodies = [_written(front, image) for front in FRONTS for image in marked(MNIST[0], _IMAGES)]
    return [
        Closed(
            requests=bodies[number * _IMAGES : (number + 1) * _IMAGES],
            clients=_CLIENTS,
            seconds=ENDLESS_S,
            pause_s=_PAUSE_S,
            judge=judge_of(front),
        )
        for number, front in enumerate(FRONTS)
    ]


def judge_of(front: str) -> FrontJudge:
    """Return the judge of a front, whose requests are about the marked images in order."""
    golden = [Golden.read(variants() / name) for name in MNIST]
    expected = np.array([one.probabilities[::2][:_IMAGES] for one in golden], np.float32)
    return FrontJudge(front, MNIST, expected)


def variant_of(version: Path) -> str | None:
    """Return which variant a version's directory holds; None where it is another's or not whole."""
    try:
        found = Golden.read(version).probabilities
    except Exception:  # noqa: BLE001 - bad versions are bad in many ways
        return None
    for name in MNIST:
        expected = Golden.read(variants() / name).probabilities
        if np.array_equal(found, expected):
            return name
    return None


def _written(front: str, image: NDArray[np.uint8]) -> bytes:
    """Write the request of one image."""
    if front == "JSON":
        return as_json(image[np.newaxis])
    if front == "raw":
        return as_raw(image)
    if front == "v1":
        return as_json(image[np.newaxis], "/v1/models/mnist:predict")
    shape = [1, *image.shape]
    tensor = {"name": "images", "datatype": "UINT8", "shape": shape, "data": image.ravel().tolist()}
    return request("/v2/models/mnist/infer", orjson.dumps({"inputs": [tensor]}), JSON)
