"""The protocol that every runtime implements."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class RuntimeUnavailableError(Exception):
    """Raised when a runtime cannot load a model; the message says why."""


class RuntimeMissingError(RuntimeUnavailableError):
    """Raised when a runtime is not available on this machine, whatever the model."""


class RuntimeMemoryError(RuntimeUnavailableError, MemoryError):
    """Raised when there is too little memory to load a model or to compute a batch."""


class Model(Protocol):
    """A version in memory.

    As many threads may call `predict` at a time as it has streams, and none may call `prepare`
    meanwhile.
    """

    runtime: str
    precision: str

    def prepare(self, sizes: Sequence[int]) -> None:
        """Prepare for batches of these sizes (ascending), and release all others.

        A batch between two sizes is padded to the larger, so that no shape is new to the runtime
        while it serves.

        Raises:
            RuntimeUnavailableError: If the runtime cannot compute the model at such a size.
        """
        ...

    def predict(self, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Classify the images of all parts as one batch of at most the largest prepared size.

        Args:
            parts: At least one array of shape (n, rows, columns, channels).

        Returns:
            Probabilities of shape (images of all parts, classes), in order; owned by the caller.

        Raises:
            MemoryError: If this machine has too little memory for the batch.
        """
        ...


def padded_size(n: int, sizes: Sequence[int]) -> int:
    """Return the smallest prepared size (ascending) that holds a batch.

    Raises:
        ValueError: If none does.
    """
    index = bisect_left(sizes, n)
    if index == len(sizes):
        raise ValueError(f"a batch of {n} images; the model is prepared for {list(sizes)}")
    return sizes[index]


def fill(batch: NDArray[np.uint8], parts: Sequence[NDArray[np.uint8]]) -> None:
    """Write the images of all parts, one after another, into the memory of a batch.

    Raises:
        ValueError: If they have another shape than the model takes.
    """
    try:
        np.concatenate(parts, out=batch)
    except ValueError as exc:
        takes, given = batch.shape[1:], parts[0].shape[1:]
        raise ValueError(f"the model takes images of shape {takes}; these have {given}") from exc
