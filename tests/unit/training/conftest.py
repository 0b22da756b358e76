"""Data sets in real files, small and whole, for tests to damage."""

from __future__ import annotations

import gzip
import struct
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


class IdxDirectory:
    """The four files of an MNIST-like data set: three classes of 12 x 10 images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        rng = np.random.default_rng(0)
        for part, n in (("train", 30), ("t10k", 9)):
            self.write_images(part, rng.integers(0, 256, (n, 12, 10), np.uint8))
            self.write_labels(part, np.arange(n, dtype=np.uint8) % 3)

    def images(self, part: str) -> Path:
        return self.path / f"{part}-images-idx3-ubyte.gz"

    def labels(self, part: str) -> Path:
        return self.path / f"{part}-labels-idx1-ubyte.gz"

    def write_images(self, part: str, images: np.ndarray, magic: int = 0x0803) -> None:
        self._write(self.images(part), images, magic)

    def write_labels(self, part: str, labels: np.ndarray, magic: int = 0x0801) -> None:
        self._write(self.labels(part), labels, magic)

    def rewrite(self, path: Path, change) -> None:
        """Replace the bytes inside a file by what a function makes of them."""
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    def _write(self, path: Path, array: np.ndarray, magic: int) -> None:
        header = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
        path.write_bytes(gzip.compress(header + array.tobytes()))


class ImageFolders:
    """A directory with a folder of PNG files per class."""

    def __init__(self, path: Path, *classes: str, each: int = 5) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        for level, name in enumerate(classes):
            (path / name).mkdir(parents=True)
            for index in range(each):
                grey = np.full((28, 28), 40 * level + index, np.uint8)
                Image.fromarray(grey).save(path / name / f"{index}.png")


@pytest.fixture
def idx(tmp_path: Path) -> IdxDirectory:
    return IdxDirectory(tmp_path / "letters")


@pytest.fixture
def make_folders(tmp_path: Path):
    """Return a function that adds classes to a directory of images."""
    return partial(ImageFolders, tmp_path / "shapes")


@pytest.fixture
def folders(make_folders) -> ImageFolders:
    return make_folders("circle", "square")


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """What a whole .npz holds."""
    return {
        "x_train": np.zeros((6, 28, 28), np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.ones((3, 28, 28), np.uint8),
        "y_test": np.array([0, 1, 2]),
    }
