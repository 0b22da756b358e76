"""The golden images of a version: what it must answer before it may serve."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_store.errors import InvalidDocumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path("assets.extra/golden.npz")


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
            with np.load(path, allow_pickle=False) as stored:
                golden = cls(
                    images=stored["images"],
                    probabilities=stored["probabilities"],
                    tolerance=float(stored["tolerance"]),
                )
        except KeyError as exc:
            raise InvalidDocumentError(path, str(exc.args[0]), "is missing") from exc
        except (OSError, ValueError, TypeError, zipfile.BadZipFile) as exc:
            raise InvalidDocumentError(path, None, f"cannot be read: {exc}") from exc
        golden._check(path)
        return golden

    def _check(self, path: Path) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:  # noqa: PLR2004
            raise InvalidDocumentError(
                path, "images", "must be uint8 of shape (n, rows, columns, channels)"
            )
        if self.probabilities.shape[:1] != self.images.shape[:1] or len(self.images) == 0:
            raise InvalidDocumentError(path, "probabilities", "must have one row per image")
