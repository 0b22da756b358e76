"""Finds a data set by name or path and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.data import idx
from training.data.dataset import ImageData, Split, checked, stratified
from training.data.download import fetch
from training.data.folders import read_folders
from training.data.npz import read_npz
from training.errors import DataError

if TYPE_CHECKING:
    from imaging.preparation import Kind

DIGITS = tuple("0123456789")
CLOTHES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)
NAMED = {"mnist": DIGITS, "fashion-mnist": CLOTHES}
_IDX = "*-idx?-ubyte*"
_SIDE = 28
_INK_SIDE = 20
"""MNIST's digits fill a box of 20 x 20."""


def load(source: str, data_dir: Path | None, preparation: Kind | None = None) -> ImageData:
    """Read a named data set, or one's own by its path.

    Args:
        source: mnist, fashion-mnist, digits, or the path of an IDX directory, of a directory with a
            folder per class, or of an .npz file.
        data_dir: Where the four files of a named set lie; None downloads them into a cache.
        preparation: Kind of preparation of a folder's pictures; None chooses by looking at them.

    Raises:
        DataError: If anything about it is missing or malformed; names the file.
    """
    path = Path(source)
    if preparation is not None and not _has_pictures(source, path):
        raise DataError(f"{source}: holds pixels, not pictures; --preparation is of pictures")
    if source == "digits":
        return checked(_digits())
    if source in NAMED:
        train, test = idx.read_directory(data_dir or fetch(source))
        return checked(ImageData(source, NAMED[source], train, test))
    if path.is_dir():
        return checked(_directory(path, preparation))
    if path.suffix == ".npz" and path.is_file():
        return checked(read_npz(path))
    if path.exists():
        raise DataError(f"{path}: is neither a directory nor an .npz file")
    names = ", ".join([*NAMED, "digits"])
    raise DataError(f"{path}: there is no such file, and no data set of that name ({names})")


def _has_pictures(source: str, path: Path) -> bool:
    if source == "digits" or source in NAMED or not path.is_dir():
        return False
    return not any(path.glob(_IDX))


def _directory(path: Path, preparation: Kind | None) -> ImageData:
    if any(path.glob(_IDX)):
        train, test = idx.read_directory(path)
        classes = tuple(map(str, range(int(train.labels.max(initial=0)) + 1)))
        return ImageData(path.name, classes, train, test)
    return read_folders(path, preparation)


def _digits() -> ImageData:
    """Enlarge the 8 x 8 digits that come with scikit-learn into MNIST's shape; needs no network."""
    from PIL import Image  # noqa: PLC0415
    from sklearn.datasets import load_digits  # noqa: PLC0415 - a second to import

    bunch = load_digits()
    images = np.zeros((len(bunch.images), _SIDE, _SIDE, 1), np.uint8)
    margin = (_SIDE - _INK_SIDE) // 2
    for image, small in zip(images, bunch.images, strict=True):
        pixels = Image.fromarray(np.round(small * 255 / 16).astype(np.uint8))
        large = pixels.resize((_INK_SIDE, _INK_SIDE), Image.Resampling.BICUBIC)
        image[margin:-margin, margin:-margin, 0] = np.asarray(large)
    whole = Split(images, bunch.target.astype(np.int64), "scikit-learn's digits")
    return ImageData("digits", DIGITS, *stratified(whole, len(whole) // 5, seed=0))
