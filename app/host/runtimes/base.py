"""The small protocol that every runtime keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RuntimeUnavailableError(Exception):
    """Raised when a runtime is not installed or cannot load a model; the text says why."""


class Model(Protocol):
    """A version in memory, ready to compute. One thread at a time may call it."""

    runtime: str
    precision: str

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify images of shape (n, rows, columns, channels); gives (n, classes).

        The answer is the caller's to keep.
        """
        ...


def padded_size(n: int, largest: int) -> int:
    """Round a batch size up to a power of two (at most the largest batch).

    Runtimes prepare kernels per input shape; a handful of shapes keeps that out of the service.
    """
    return min(1 << (n - 1).bit_length(), max(n, largest))
