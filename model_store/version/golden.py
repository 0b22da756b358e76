"""The golden images of a version: what it must answer before it may serve."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_store.base.errors import InvalidDocumentError
from model_store.base.files import open_regular

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

GOLDEN = Path("assets.extra/golden.npz")
MAX_GOLDEN_BYTES = 2**30
"""Bound on all arrays together; real ones are tens of KiB, and a few large pictures 100 MiB."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
"""The last two are of a compression that is not known, and of encryption."""


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
            with open_regular(path) as stream, zipfile.ZipFile(stream) as stored:
                arrays = _arrays(path, stored)
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


def _arrays(path: Path, stored: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Read every array, once it is known how much memory they take."""
    members = stored.infolist()
    size = sum(member.file_size for member in members)
    if size > MAX_GOLDEN_BYTES:
        problem = f"holds {size} bytes of arrays; at most {MAX_GOLDEN_BYTES} are read"
        raise InvalidDocumentError(path, None, problem)
    return {member.filename.removesuffix(".npy"): _array(stored.read(member)) for member in members}


def _array(content: bytes) -> NDArray[Any]:
    """Read an array in place: a header that promises more than the file holds takes no memory."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array in the format npy 1.0 is expected")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("an array of numbers is expected")
    flat = np.frombuffer(bytearray(content), dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")
