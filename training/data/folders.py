"""One's own images: a directory with one folder per class, perhaps below train/ and test/."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from training.data.dataset import ImageData, Split, stratified
from training.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE = 28
_MAX_PIXELS = 2**24
_TEST_SHARE = 0.2


def read_folders(root: Path) -> ImageData:
    """Read a directory of images as 28 x 28 grey ones; 0 is background.

    Where there are no train/ and test/ folders, a fifth of every class is set aside as test set.

    Raises:
        DataError: If there are no class folders, one is empty, or an image cannot be read.
    """
    if (root / "train").is_dir() and (root / "test").is_dir():
        classes = _classes(root / "train")
        train, test = (_read(root / part, classes) for part in ("train", "test"))
        return ImageData(root.name, classes, train, test)
    classes = _classes(root)
    whole = _read(root, classes)
    wanted = max(len(classes), round(len(whole) * _TEST_SHARE))
    first, second = stratified(whole.labels, wanted, seed=0)
    return ImageData(root.name, classes, whole.pick(first), whole.pick(second))


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in root.iterdir() if path.is_dir()))
    if len(names) < 2:  # noqa: PLR2004
        raise DataError(
            f"{root}: has {len(names)} folders; one per class is expected, at least two"
        )
    return names


def _read(root: Path, classes: tuple[str, ...]) -> Split:
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(p for p in (root / name).glob("*") if p.is_file())
        if not files:
            raise DataError(f"{root / name}: this class has no image")
        images += [_read_image(path) for path in files]
        labels += [label] * len(files)
    return Split(np.stack(images)[..., np.newaxis], np.array(labels, np.int64))


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if image.width * image.height > _MAX_PIXELS:
                size = f"{image.width} x {image.height}"
                raise DataError(f"{path}: is {size} pixels; at most {_MAX_PIXELS} are read")
            grey = image.convert("L")
    except (
        OSError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        SyntaxError,
        Warning,
    ) as exc:
        raise DataError(f"{path}: is no readable image: {exc}") from exc
    if grey.size != (_SIDE, _SIDE):
        grey = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.uint8)
