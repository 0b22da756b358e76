"""Makes a digit of a picture, the way that MNIST was made.

The ink is cropped, scaled into 20 x 20 with its aspect kept, and put into 28 x 28 so that its
centre of mass is in the middle. Other sizes are treated in proportion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imaging.alpha import without_opacity
from imaging.prepared import NOTES, Prepared
from imaging.segmentation import find_drawing
from imaging.stroke_width import thickened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.prepared import Shape
    from imaging.segmentation import Drawing

_SEARCHED_SIDE = 256
"""Pixels on the longer side of what the ink is looked for in."""
_INK_BOX = 20 / 28
"""Share of the model's sides that the ink fills."""
_SMALLEST_CLOSE = 1 / 80
"""Of the picture's longer side, what a drawing extends over at least where all of it is seen."""
_CLOSE = 0.5
"""A drawing that fills less of the picture than this is looked at again from near by."""
_MARGIN = 0.4
"""Paper around it then, as a share of its longer side."""


def center_digit(picture: NDArray[np.uint8], shape: Shape) -> Prepared:
    """Prepare a picture of any size as MNIST was made.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        shape: What the model takes; one channel.
    """
    drawing, notes = _find_closely(picture)
    if drawing is None:
        pixels, found = bytes(shape[0] * shape[1]), {"blank"}
    else:
        pixels, found = _centred(drawing.ink, shape), {*drawing.notes}
    notes |= found
    return Prepared(pixels, tuple(note for note in NOTES if note in notes))


def _find_closely(picture: NDArray[np.uint8]) -> tuple[Drawing | None, set[str]]:
    """Find the drawing on the whole picture, and where it is small, once more near it."""
    height, width, _ = picture.shape
    small, factor = _reduced(picture)
    rgb, transparent = without_opacity(small)
    notes = {"transparent"} if transparent else set()
    drawing = find_drawing(rgb)
    if drawing is None and factor > 1:  # small on its sheet, or thin
        rgb, _ = without_opacity(picture)
        drawing, factor = find_drawing(rgb, smallest=_SMALLEST_CLOSE), 1
    if drawing is None:
        return None, notes
    top, left, bottom, right = (factor * side for side in drawing.box)
    across = max(bottom - top, right - left)
    if across > _CLOSE * max(height, width):
        return drawing, notes
    margin = round(_MARGIN * across) + factor
    near, _ = _reduced(
        picture[
            max(0, top - margin) : bottom + margin,
            max(0, left - margin) : right + margin,
        ]
    )
    closer = find_drawing(without_opacity(near)[0])
    if closer is None:
        return drawing, notes
    return closer, notes | {*drawing.notes}


def _reduced(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    factor = -(-max(picture.shape[:2]) // _SEARCHED_SIDE)
    if factor == 1:
        return picture, 1
    return np.asarray(Image.fromarray(picture).reduce(factor)), factor


def _centred(ink: NDArray[np.float32], shape: Shape) -> bytes:
    """Scale ink to its box, and put its centre of mass into the middle."""
    rows, columns, _ = shape
    ink = thickened(ink, _scale(ink, shape))
    scale = _scale(ink, shape)
    high, wide = ink.shape
    size = max(1, round(high * scale)), max(1, round(wide * scale))
    scaled = np.asarray(Image.fromarray(ink).resize(size[::-1], Image.Resampling.BOX))
    scaled = np.clip(scaled / scaled.max(), 0, 1)
    top = _offset(scaled.sum(axis=1), rows)
    left = _offset(scaled.sum(axis=0), columns)
    sheet = np.zeros((rows, columns), np.uint8)
    sheet[top : top + size[0], left : left + size[1]] = (255 * scaled).round()
    return sheet.tobytes()


def _scale(ink: NDArray[np.float32], shape: Shape) -> float:
    """Return the factor by which ink is scaled to just fit into its box."""
    rows, columns = ink.shape
    return float(_INK_BOX * min(shape[0] / rows, shape[1] / columns))


def _offset(mass: NDArray[np.float32], side: int) -> int:
    """Return the offset of ink whose centre of mass belongs at pixel `side // 2`, as MNIST's is."""
    centre = float(mass @ np.arange(len(mass))) / float(mass.sum())
    return min(max(0, round(side // 2 - centre)), side - len(mass))
