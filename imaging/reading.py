"""The one way from a picture to what a model sees, shared by training and serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imaging import scaling
from imaging.decoder import ENOUGH, decode_picture, fit_array
from imaging.errors import PictureSizeError
from imaging.mnist_preprocessing import center_digit
from imaging.prepared import NOTES, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.preparation import Preparation
    from imaging.prepared import Shape

_MIDDLE = 127.5
_OPAQUE = 255


def read_picture(
    picture: bytes | NDArray[np.uint8], shape: Shape, preparation: Preparation
) -> Prepared:
    """Decode one picture, and prepare it for a model.

    Args:
        picture: A file of the kinds that are decoded, or pixels as `fit_array` takes them.
        shape: Rows, columns and channels that the model takes.
        preparation: How it is prepared.

    Raises:
        PictureError: If it cannot be read; the class says why.
    """
    enough = max(ENOUGH, *shape[:2])
    if isinstance(picture, bytes):
        pixels = decode_picture(picture, enough)
    else:
        pixels = fit_array(picture, enough)
    if preparation.kind == "exact" and pixels.shape[:2] != shape[:2]:
        height, width, _ = pixels.shape
        exact = max(height, width) < enough
        found = f"{width} x {height} pixels large" if exact else f"larger than {enough} pixels"
        raise PictureSizeError(
            f"the picture is {found}; {shape[1]} x {shape[0]} are expected where none is prepared"
        )
    return prepare(pixels, shape, preparation)


def prepare(picture: NDArray[np.uint8], shape: Shape, preparation: Preparation) -> Prepared:
    """Prepare a picture; one of `exact` has the model's size.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        shape: Rows, columns and channels that the model takes.
        preparation: How it is prepared.

    Raises:
        MalformedPictureError: If no picture has as many channels as the model takes, or
            a digit has not.
    """
    fits = picture.shape[:2] == shape[:2]
    if preparation.keep_exact and fits:
        pixels = scaling.with_channels(Image.fromarray(picture), shape[2])
        notes = _doubts(picture, pixels) if preparation.kind == "digit" else ()
        return Prepared(pixels.tobytes(), notes)
    if preparation.kind == "digit":
        preparation.check_channels(shape[2])
        return center_digit(picture, shape)
    pixels = scaling.fit(
        picture, shape, background=preparation.background, keep_aspect=preparation.keep_aspect
    )
    if preparation.invert:
        pixels = scaling.inverted(pixels)
    return Prepared(pixels.tobytes(), () if fits else ("resized",))


def _doubts(picture: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the notes on a digit that was taken pixel for pixel.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        pixels: Shape (h, w, 1): what the model sees of it.
    """
    grey = pixels[..., 0]
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    found = set()
    if grey.min() == grey.max():
        found.add("blank")
        if picture[..., 3].min() < _OPAQUE:
            found.add("nothing opaque")
    elif np.median(edges) > _MIDDLE:
        found.add("looks inverted")
    return tuple(note for note in NOTES if note in found)
