"""Real images to send, and the bodies that carry them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from model_store import Golden
from model_store.operations.starter import STARTER
from tests.benchmarks.scenarios.wire import JSON, RAW, request
from training.data import idx

if TYPE_CHECKING:
    from numpy.typing import NDArray


def real_images() -> NDArray[np.uint8]:
    """Return MNIST's test images where GLYPH_DATA_DIR names them, else the starter's golden ones.

    Shape (n, 28, 28).
    """
    if directory := os.environ.get("GLYPH_DATA_DIR"):
        return idx.read_directory(Path(directory))[1].images[..., 0]
    return Golden.read(STARTER / "mnist" / "1").images[..., 0]


def real_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the same with their labels: (n, 28, 28) and (n,)."""
    if directory := os.environ.get("GLYPH_DATA_DIR"):
        test = idx.read_directory(Path(directory))[1]
        return test.images[..., 0], test.labels
    golden = Golden.read(STARTER / "mnist" / "1")
    return golden.images[..., 0], golden.probabilities.argmax(axis=1)


def as_json(images: NDArray[np.uint8], path: str = "/predict", **headers: object) -> bytes:
    """Ask about images in JSON."""
    body = orjson.dumps({"instances": images}, option=orjson.OPT_SERIALIZE_NUMPY)
    return request(path, body, JSON, **headers)


def as_raw(images: NDArray[np.uint8], **headers: object) -> bytes:
    """Ask about images in their own bytes."""
    return request("/predict", images.tobytes(), RAW, **headers)


def picks(images: NDArray[np.uint8], count: int, turn: int) -> NDArray[np.uint8]:
    """Take so many images in order, going round; each turn starts elsewhere."""
    return images[(np.arange(count) + turn * count) % len(images)]


KINDS = {"json": as_json, "raw": as_raw}
"""What a body may be."""
