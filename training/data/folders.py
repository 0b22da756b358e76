"""One's own pictures: a directory with one folder per class, perhaps below train/ and test/."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from imaging.decoder import decode_picture
from imaging.errors import PictureError, PictureSizeError, PictureTooLargeError
from imaging.reading import read_picture
from training.data.dataset import ImageData, Split, check_images, stratified
from training.data.preparation_choice import choose_preparation
from training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imaging.preparation import Kind, Preparation
    from imaging.prepared import Shape
    from training.data.preparation_choice import Choice

_SIDE = 28
_SEEN = 200
"""Pictures that are looked at before one is prepared."""
_TEST_SHARE = 0.2
_MOST_BYTES = 2**27
"""Of a file."""


class _Files(NamedTuple):
    """The files of a split, and the class of each."""

    paths: list[Path]
    labels: NDArray[np.int64]
    origin: str


def read_folders(root: Path, kind: Kind | None = None) -> ImageData:
    """Read a directory of pictures, and prepare them as the service does.

    Where there are no train/ and test/ folders, a fifth of every class is set aside as test set.

    Args:
        root: The directory.
        kind: Of preparation: digit, fit or exact; None chooses by looking at the pictures.

    Raises:
        DataError: If there are no class folders, one is empty, or a picture cannot be read.
    """
    if (root / "train").is_dir() and (root / "test").is_dir():
        classes = _classes(root / "train")
        for stranger in sorted(set(_classes(root / "test")) - set(classes)):
            raise DataError(f"{root / 'test' / stranger}: {root / 'train'} has no such class")
        files = [_files(root / part, classes) for part in ("train", "test")]
    else:
        classes = _classes(root)
        files = [_files(root, classes)]
    choice, shape = _choose(files[0], kind)
    train, *rest = (_read(part, shape, choice.preparation) for part in files)
    if rest:
        test = rest[0]
    else:
        wanted = max(len(classes), round(len(train) * _TEST_SHARE))
        train, test = stratified(train, wanted, seed=0)
    return ImageData(root.name, classes, train, test, choice.preparation, choice.reason)


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in _seen(root) if path.is_dir()))
    if len(names) < 2:  # noqa: PLR2004
        found = f"{len(names)} folders" if len(names) != 1 else f"one folder, {names[0]!r}"
        raise DataError(f"{root}: holds {found}; one per class is expected, at least two")
    return names


def _files(root: Path, classes: tuple[str, ...]) -> _Files:
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(p for p in _seen(root / name) if p.is_file())
        if not files:
            raise DataError(f"{root / name}: this class has no image")
        paths += files
        labels += [label] * len(files)
    return _Files(paths, np.array(labels, np.int64), str(root))


def _seen(directory: Path) -> Iterator[Path]:
    """Pass over .DS_Store, .ipynb_checkpoints and their like."""
    return (path for path in directory.glob("*") if not path.name.startswith("."))


def _choose(files: _Files, kind: Kind | None) -> tuple[Choice, Shape]:
    """Choose the preparation and the model's input by some pictures of all classes."""
    places = np.unique(np.linspace(0, len(files.paths) - 1, _SEEN).round().astype(int))
    pictures = [_decode(files.paths[place]) for place in places]
    choice = choose_preparation(pictures, kind)
    rows, columns = pictures[0].shape[:2] if kind == "exact" else (_SIDE, _SIDE)
    return choice, (rows, columns, choice.channels)


def _read(files: _Files, shape: Shape, preparation: Preparation) -> Split:
    images = np.empty((len(files.paths), *shape), np.uint8)
    read = partial(_read_picture, shape=shape, preparation=preparation)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        pixels = threads.map(read, files.paths)
        bar = tqdm(pixels, total=len(images), unit="picture", disable=None, dynamic_ncols=True)
        for image, raw in zip(images, bar, strict=True):
            image[...] = np.frombuffer(raw, np.uint8).reshape(shape)
    check_images(images, files.origin)
    return Split(images, files.labels, files.origin)


def _read_picture(path: Path, shape: Shape, preparation: Preparation) -> bytes:
    try:
        return read_picture(_content(path), shape, preparation).pixels
    except PictureSizeError as exc:
        raise DataError(f"{path}: {exc}, as the first one has; try another --preparation") from exc
    except PictureError as exc:
        raise _unreadable(path, exc) from exc


def _decode(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_picture(_content(path))
    except PictureError as exc:
        raise _unreadable(path, exc) from exc


def _content(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise DataError(f"{path}: has {size} bytes; at most {_MOST_BYTES} are read")
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc


def _unreadable(path: Path, error: PictureError) -> DataError:
    if isinstance(error, PictureTooLargeError):
        return DataError(f"{path}: {error}")
    return DataError(f"{path}: cannot be read as a picture: {error}")
