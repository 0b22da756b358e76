"""One's own arrays: an .npz with x_train, y_train, x_test, y_test and perhaps class_names."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import MAX_CLASSES, ImageData, Split, check_images
from training.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]


def read_npz(path: Path) -> ImageData:
    """Read an .npz file.

    Raises:
        DataError: If it is damaged, an array is missing, or one is not what it should be.
    """
    arrays = _arrays(path)
    train, test = (_split(path, part, arrays) for part in ("train", "test"))
    most = max(int(split.labels.max()) for split in (train, test))
    names = arrays.get("class_names", np.arange(min(most, MAX_CLASSES - 1) + 1))
    return ImageData(path.stem, tuple(map(_text, names.ravel().tolist())), train, test)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _arrays(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: is no .npz file, or is truncated")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc


def _split(path: Path, part: str, arrays: Arrays) -> Split:
    images = _images(path, f"x_{part}", arrays)
    labels = _labels(path, f"y_{part}", arrays)
    if len(images) != len(labels):
        raise DataError(
            f"{path}: y_{part} has {len(labels)} labels, but x_{part} has {len(images)} images"
        )
    return Split(images, labels, f"{path}: y_{part}")


def _images(path: Path, key: str, arrays: Arrays) -> NDArray[np.uint8]:
    images = _array(path, key, arrays)
    if images.ndim not in (3, 4) or images.dtype != np.uint8:
        found = f"{images.dtype} of shape {images.shape}"
        raise DataError(f"{path}: {key} is {found}; uint8 of (n, rows, columns) is expected")
    pixels: NDArray[np.uint8] = images.astype(np.uint8, copy=False)
    if pixels.ndim == 3:  # noqa: PLR2004
        pixels = pixels[..., np.newaxis]
    check_images(pixels, f"{path}: {key}")
    return pixels


def _labels(path: Path, key: str, arrays: Arrays) -> NDArray[np.int64]:
    labels = _array(path, key, arrays)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        found = f"{labels.dtype} of shape {labels.shape}"
        raise DataError(f"{path}: {key} is {found}; integers of shape (n,) are expected")
    return labels.astype(np.int64)


def _array(path: Path, key: str, arrays: Arrays) -> NDArray[np.generic]:
    if key not in arrays:
        raise DataError(f"{path}: has no array {key!r}; it has {', '.join(arrays) or 'none'}")
    return arrays[key]
