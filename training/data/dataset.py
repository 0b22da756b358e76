"""What every reader gives: images and labels for fitting and for the final test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Split:
    """Images with their labels."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels); 0 is background."""
    labels: NDArray[np.int64]
    """Shape (n,); indices into the class names."""

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def pick(self, indices: NDArray[np.int64]) -> Split:
        """Give the images at these indices."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class ImageData:
    """A data set, checked."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def digests(self) -> dict[str, str]:
        """Give the SHA-256 of every array's bytes."""
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
        DataError: If images and labels differ in number, a label names no class, or a class has no
            training image.
    """
    for part, split in (("training", data.train), ("test", data.test)):
        if len(split.images) != len(split.labels):
            counts = f"{len(split.images)} {part} images but {len(split.labels)} labels"
            raise DataError(f"{data.name}: {counts}")
        if len(split) == 0:
            raise DataError(f"{data.name}: there are no {part} images")
        wrong = np.flatnonzero((split.labels < 0) | (split.labels >= len(data.classes)))
        if wrong.size:
            found = f"{part} label {wrong[0]} is {split.labels[wrong[0]]}"
            raise DataError(f"{data.name}: {found}; there are classes 0 to {len(data.classes) - 1}")
    per_class = np.bincount(data.train.labels, minlength=len(data.classes))
    if not per_class.all():
        empty = data.classes[int(np.argmin(per_class))]
        raise DataError(f"{data.name}: class {empty!r} has no training image")
    return data


def stratified(
    labels: NDArray[np.int64], n: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split indices in two, the second of about n, with every class in proportion."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second to import

    if n == 0:
        return np.arange(len(labels)), np.arange(0)
    try:
        first, second = train_test_split(
            np.arange(len(labels)), test_size=n, random_state=seed, stratify=labels
        )
    except ValueError as exc:
        raise DataError(f"cannot set {n} of {len(labels)} images aside: {exc}") from exc
    return np.sort(first), np.sort(second)
