"""Makes of a picture what a model was trained on; for digits, the way that MNIST was made.

The ink is cropped, scaled into 20 x 20 with its aspect kept, and put into 28 x 28 so that its
centre of mass is in the middle. Other sizes are treated in proportion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from imaging.alpha import without_opacity
from imaging.errors import MalformedPictureError
from imaging.segmentation import find_drawing
from imaging.stroke_width import thickened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.segmentation import Drawing

Shape = tuple[int, int, int]
"""Rows, columns and channels that a model takes."""

NOTES = {
    "inverted": "the ink was darker than the paper, and is white on black now",
    "transparent": "what was transparent was taken for paper",
    "resized": "the whole picture was scaled to fit",
    "specks": "small spots were left out",
    "blank": "nothing was found on the paper",
    "cropped": "the ink goes on beyond the picture's edge",
    "several shapes": "there is more than one shape",
    "low contrast": "ink and paper are hard to tell apart",
}
"""Every note that a picture may get, and what it says: what was done, then what is doubtful."""

_SEARCHED_SIDE = 256
"""Pixels on the longer side of what the ink is looked for in."""
_INK_BOX = 20 / 28
"""Share of the model's sides that the ink fills."""
_CLOSE = 0.5
"""A drawing that fills less of the picture than this is looked at again from near by."""
_MARGIN = 0.4
"""Paper around it then, as a share of its longer side."""
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Prepared(NamedTuple):
    """What a model is to see of a picture."""

    pixels: bytes
    """uint8, row-major, in the model's shape."""
    notes: tuple[str, ...]
    """Of NOTES, in their order."""


def prepare(picture: NDArray[np.uint8], shape: Shape) -> Prepared:
    """Prepare a picture of any size: as MNIST was made for one channel, else scaled to fit.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        shape: What the model takes.

    Raises:
        MalformedPictureError: If no picture has as many channels as the model takes.
    """
    if shape[2] != 1:
        return _scaled(picture, shape)
    drawing, notes = _find_closely(picture)
    if drawing is None:
        pixels, found = bytes(shape[0] * shape[1]), {"blank"}
    else:
        pixels, found = _centred(drawing.ink, shape), {*drawing.notes}
    notes |= found
    return Prepared(pixels, tuple(note for note in NOTES if note in notes))


def as_is(picture: NDArray[np.uint8], shape: Shape) -> Prepared | None:
    """Take a picture of the model's own size pixel for pixel; None if it is of another.

    For one channel, grey is the amount of ink, and what is transparent has none.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        shape: What the model takes.

    Raises:
        MalformedPictureError: If no picture has as many channels as the model takes.
    """
    if picture.shape[:2] != shape[:2]:
        return None
    return Prepared(_with_channels(Image.fromarray(picture), shape[2]), ())


def _find_closely(picture: NDArray[np.uint8]) -> tuple[Drawing | None, set[str]]:
    """Find the drawing on the whole picture, and where it is small, once more near it."""
    height, width, _ = picture.shape
    small, factor = _reduced(picture)
    rgb, transparent = without_opacity(small)
    notes = {"transparent"} if transparent else set()
    drawing = find_drawing(rgb)
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


def _scaled(picture: NDArray[np.uint8], shape: Shape) -> Prepared:
    """Scale a picture as a whole, its aspect kept, onto a sheet of its border's colour."""
    rows, columns, channels = shape
    height, width, _ = picture.shape
    scale = min(rows / height, columns / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    image = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    around = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    border = tuple(np.median(around, axis=0).astype(int).tolist())
    sheet = Image.new("RGBA", (columns, rows), border)
    sheet.paste(image, ((columns - size[1]) // 2, (rows - size[0]) // 2))
    return Prepared(_with_channels(sheet, channels), ("resized",))


def _with_channels(image: Image.Image, channels: int) -> bytes:
    """Convert RGBA; without an opacity of their own, transparent pixels are black."""
    if channels not in _MODES:
        raise MalformedPictureError(
            f"pictures have 1 to 4 channels; the model takes {channels}: send its pixels"
        )
    if channels in (1, 3):
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image.convert(_MODES[channels]).tobytes()
