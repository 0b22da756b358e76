"""The golden images of a version: what it must answer before it may serve."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_store.errors import InvalidDocumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path("assets.extra/golden.npz")
_DAMAGE = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A few dozen test images and the answers that Keras gave for them."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels)."""
    probabilities: NDArray[np.float32]
    """Shape (n, classes)."""
    tolerance: float
    """Largest absolute difference allowed in any probability."""

    def write(self, version: Path) -> None:
        """Store the images beside the model."""
        path = version / GOLDEN
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            images=self.images,
            probabilities=self.probabilities,
            tolerance=np.float64(self.tolerance),
        )

    @classmethod
    def read(cls, version: Path) -> Golden:
        """Load the golden images of a version, which must have been verified first.

        Raises:
            InvalidDocumentError: If the file is missing, unreadable or inconsistent.
        """
        path = version / GOLDEN
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = dict(stored)
            missing = {"images", "probabilities", "tolerance"} - arrays.keys()
            if missing:
                raise InvalidDocumentError(path, min(missing), "is missing")
            golden = cls(
                images=arrays["images"],
                probabilities=arrays["probabilities"],
                tolerance=float(arrays["tolerance"]),
            )
        except (OSError, ValueError, TypeError, EOFError, *_DAMAGE) as exc:
            raise InvalidDocumentError(path, None, f"cannot be read: {exc}") from exc
        golden._check(path)
        return golden

    def _check(self, path: Path) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:  # noqa: PLR2004
            raise InvalidDocumentError(
                path, "images", "must be uint8 of shape (n, rows, columns, channels)"
            )
        rows = self.probabilities.shape[0] if self.probabilities.ndim == 2 else 0  # noqa: PLR2004
        if self.probabilities.dtype != np.float32 or rows == 0 or rows != len(self.images):
            problem = "must be float32 of shape (n, classes) with one row per image"
            raise InvalidDocumentError(path, "probabilities", problem)
        if not 0 < self.tolerance < 1:
            problem = f"must be between 0 and 1 (found {self.tolerance})"
            raise InvalidDocumentError(path, "tolerance", problem)
