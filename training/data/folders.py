"""One's own images: a directory with one folder per class, perhaps below train/ and test/."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from training.data.dataset import ImageData, Split, stratified
from training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        for stranger in sorted(set(_classes(root / "test")) - set(classes)):
            raise DataError(f"{root / 'test' / stranger}: {root / 'train'} has no such class")
        train, test = (_read(root / part, classes) for part in ("train", "test"))
        return ImageData(root.name, classes, train, test)
    classes = _classes(root)
    whole = _read(root, classes)
    wanted = max(len(classes), round(len(whole) * _TEST_SHARE))
    train, test = stratified(whole, wanted, seed=0)
    return ImageData(root.name, classes, train, test)


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in _seen(root) if path.is_dir()))
    if len(names) < 2:  # noqa: PLR2004
        found = f"{len(names)} folders" if len(names) != 1 else f"one folder, {names[0]!r}"
        raise DataError(f"{root}: holds {found}; one per class is expected, at least two")
    return names


def _read(root: Path, classes: tuple[str, ...]) -> Split:
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(p for p in _seen(root / name) if p.is_file())
        if not files:
            raise DataError(f"{root / name}: this class has no image")
        images += [_read_image(path) for path in files]
        labels += [label] * len(files)
    return Split(np.stack(images)[..., np.newaxis], np.array(labels, np.int64), str(root))


def _seen(directory: Path) -> Iterator[Path]:
    """Pass over .DS_Store, .ipynb_checkpoints and their like."""
    return (path for path in directory.glob("*") if not path.name.startswith("."))


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_image(path, image)
            grey = image.convert("L")
    except UnidentifiedImageError as exc:
        raise DataError(f"{path}: is no image") from exc
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as exc:
        raise DataError(f"{path}: cannot be read as an image: {exc}") from exc
    if grey.size != (_SIDE, _SIDE):
        grey = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.uint8)


def _check_image(path: Path, image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        size = f"{image.width} x {image.height}"
        raise DataError(f"{path}: is {size} pixels; at most {_MAX_PIXELS} are read")
    if image.mode.startswith(("I", "F")):  # converting would cut off the values above 255
        raise DataError(f"{path}: has more than 8 bits per channel")
