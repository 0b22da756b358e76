"""What every reader gives: images and labels for fitting and for the final test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from training.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.preparation import Preparation


MIN_CLASSES = 2
MAX_CLASSES = 256
"""A label is one byte."""
MIN_SIDE = 8
"""The networks halve an image up to three times."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images with their labels."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels); 0 is background."""
    labels: NDArray[np.int64]
    """Shape (n,); indices into the class names."""
    origin: str
    """Where the labels came from: errors about them name it."""

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def pick(self, indices: NDArray[np.int64]) -> Split:
        """Return the images at these indices."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])


@dataclass(frozen=True, slots=True)
class ImageData:
    """A data set, checked."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    preparation: Preparation | None = None
    """How pictures became these images; None where they came as pixels."""
    reason: str = ""
    """Why it was chosen."""

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every array's bytes."""
        parts = {
            "train-images": self.train.images,
            "train-labels": self.train.labels.astype(np.uint8),
            "test-images": self.test.images,
            "test-labels": self.test.labels.astype(np.uint8),
        }
        return {name: hashlib.sha256(part.tobytes()).hexdigest() for name, part in parts.items()}


def checked(data: ImageData) -> ImageData:
    """Make sure that a data set can be trained and measured with.

    Raises:
        DataError: If a label names no class, a class has no training image, the classes are too
            few, too many or not distinct, or the test images have another size.
    """
    train, test, classes = data.train, data.test, data.classes
    for split in (train, test):
        _check_labels(split, len(classes))
    _check_classes(train.origin, classes)
    per_class = np.bincount(train.labels, minlength=len(classes))
    if not per_class.all():
        empty = classes[int(np.argmin(per_class))]
        raise DataError(f"{train.origin}: of {len(classes)} classes, {empty!r} has no image")
    if train.images.shape[1:] != test.images.shape[1:]:
        sizes = f"{_size(test.images)} pixels; those to train on have {_size(train.images)}"
        raise DataError(f"{test.origin}: the images have {sizes}")
    return data


def check_images(images: NDArray[np.uint8], origin: str) -> None:
    """Refuse an array without images, or with images too small for the networks."""
    if len(images) == 0:
        raise DataError(f"{origin}: holds no image")
    if min(images.shape[1:3]) < MIN_SIDE:
        expected = f"at least {MIN_SIDE} x {MIN_SIDE} is expected"
        raise DataError(f"{origin}: the images have {_size(images)} pixels; {expected}")


def stratified(whole: Split, n: int, seed: int) -> tuple[Split, Split]:
    """Set about n images aside, with every class in proportion; gives the rest and these."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second to import

    indices = np.arange(len(whole))
    if n == 0:
        return whole, whole.pick(indices[:0])
    try:
        rest, aside = train_test_split(
            indices, test_size=n, random_state=seed, stratify=whole.labels
        )
    except ValueError as exc:
        what = f"cannot set {n} of {len(whole)} images aside with some of every class"
        raise DataError(f"{whole.origin}: {what}: {exc}") from exc
    return whole.pick(np.sort(rest)), whole.pick(np.sort(aside))


def _check_labels(split: Split, classes: int) -> None:
    wrong = np.flatnonzero((split.labels < 0) | (split.labels >= classes))
    if wrong.size:
        found = f"the label at index {wrong[0]} is {split.labels[wrong[0]]}"
        raise DataError(f"{split.origin}: {found}; 0 to {classes - 1} is expected")


def _check_classes(origin: str, classes: tuple[str, ...]) -> None:
    if not MIN_CLASSES <= len(classes) <= MAX_CLASSES:
        expected = f"{MIN_CLASSES} to {MAX_CLASSES} are expected"
        raise DataError(f"{origin}: the number of classes is {len(classes)}; {expected}")
    for name in classes:
        if classes.count(name) > 1:
            raise DataError(f"{origin}: the class name {name!r} comes twice")


def _size(images: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, images.shape[1:3]))
