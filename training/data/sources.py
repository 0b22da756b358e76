"""Finds a data set by name or path and reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.data import idx
from training.data.dataset import ImageData, Split, checked, stratified
from training.data.download import fetch
from training.data.folders import read_folders
from training.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
_SIDE = 28
_INK_SIDE = 20
"""MNIST's digits fill a box of 20 x 20."""


def load(source: str, data_dir: Path | None) -> ImageData:
    """Read a named data set, or one's own by its path.

    Args:
        source: mnist, fashion-mnist, digits, or the path of an IDX directory, of a directory with a
            folder per class, or of an .npz file.
        data_dir: Where the four files of a named set lie; None downloads them into a cache.

    Raises:
        DataError: If anything about it is missing or malformed; names the file.
    """
    if source == "digits":
        return checked(_digits())
    if source in NAMED:
        train, test = idx.read_directory(data_dir or fetch(source))
        return checked(ImageData(source, NAMED[source], train, test))
    path = Path(source)
    if path.suffix == ".npz" and path.is_file():
        return checked(_npz(path))
    if path.is_dir():
        return checked(_directory(path))
    names = ", ".join([*NAMED, "digits"])
    raise DataError(f"{source!r} is neither a data set ({names}) nor a directory nor an .npz file")


def _directory(path: Path) -> ImageData:
    if any(path.glob("*-idx?-ubyte*")):
        train, test = idx.read_directory(path)
        classes = tuple(map(str, range(int(train.labels.max(initial=0)) + 1)))
        return ImageData(path.name, classes, train, test)
    return read_folders(path)


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
    whole = Split(images, bunch.target.astype(np.int64))
    train, test = stratified(whole.labels, len(whole) // 5, seed=0)
    return ImageData("digits", DIGITS, whole.pick(train), whole.pick(test))


def _npz(path: Path) -> ImageData:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc
    splits = []
    for part in ("train", "test"):
        images = _npz_images(path, f"x_{part}", arrays)
        splits.append(Split(images, _npz_labels(path, f"y_{part}", arrays)))
    most = max((int(split.labels.max(initial=0)) for split in splits), default=0)
    names = arrays.get("class_names", np.arange(most + 1))
    return ImageData(path.stem, tuple(map(str, names.tolist())), *splits)


def _npz_images(path: Path, key: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
    images = _npz_array(path, key, arrays)
    if images.ndim == 3:  # noqa: PLR2004 - no channel axis
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.dtype != np.uint8:  # noqa: PLR2004
        found = f"{images.dtype} of shape {images.shape}"
        raise DataError(f"{path}: {key} is {found}; uint8 of (n, rows, columns) is expected")
    return images  # type: ignore[return-value]


def _npz_labels(path: Path, key: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    labels = _npz_array(path, key, arrays)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        found = f"{labels.dtype} of shape {labels.shape}"
        raise DataError(f"{path}: {key} is {found}; integers of shape (n,) are expected")
    return labels.astype(np.int64)


def _npz_array(path: Path, key: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    if key not in arrays:
        raise DataError(f"{path}: has no array {key!r}; it has {', '.join(arrays) or 'none'}")
    return arrays[key]
