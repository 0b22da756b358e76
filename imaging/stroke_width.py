"""How thick strokes are, and thicker ones where a thin pen drew them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imaging.morphology import dilate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HALF = 0.5
_THIN, _WANTED = 1.5, 2.0
"""Widths of a stroke in the model's pixels. One MNIST digit in 50 has strokes as thin as the
first; half of them have strokes of 2.7 or more."""


def thickened(ink: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Draw thin strokes again with a broader pen, on a sheet that is larger by its reach.

    Args:
        ink: Shape (h, w); 0 is paper, 1 is full ink.
        scale: Pixels of the model for each of these.
    """
    width = stroke_width(ink > _HALF) * scale
    reach = round((_WANTED - width) / 2 / scale) if width < _THIN else 0
    return dilate(np.pad(ink, reach), reach) if reach else ink


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """Return the mean width of strokes in pixels: their area over half their outline."""
    padded = np.pad(mask, 1)
    beside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline = int((mask & ~beside).sum())
    return 2 * float(mask.sum()) / max(1, outline)
