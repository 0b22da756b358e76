"""Takes a picture as a whole: pixel for pixel, or scaled to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imaging.errors import MalformedPictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.preparation import Colour
    from imaging.prepared import Shape

BLACK: Colour = (0, 0, 0)
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITH_OPACITY = (2, 4)


def fit(
    picture: NDArray[np.uint8],
    shape: Shape,
    *,
    background: Colour | None = None,
    keep_aspect: bool = True,
) -> NDArray[np.uint8]:
    """Scale a picture to a model's size.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.
        shape: What the model takes.
        background: What shows through, and beside a picture of another aspect; None is black,
            and the median colour of the picture's edges.
        keep_aspect: False stretches the picture.

    Returns:
        Pixels in the model's shape.

    Raises:
        MalformedPictureError: If no picture has as many channels as the model takes.
    """
    rows, columns, channels = shape
    height, width, _ = picture.shape
    if background is not None and channels not in _WITH_OPACITY:
        picture = np.asarray(_laid_on(Image.fromarray(picture), background))
    scale = min(rows / height, columns / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if not keep_aspect:
        size = rows, columns
    image = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    if background is None:
        around = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        border = tuple(np.median(around, axis=0).astype(int).tolist())
    else:
        border = (*background, 255)
    sheet = Image.new("RGBA", (columns, rows), border)
    sheet.paste(image, ((columns - size[1]) // 2, (rows - size[0]) // 2))
    return with_channels(sheet, channels, background or BLACK)


def with_channels(
    image: Image.Image, channels: int, background: Colour = BLACK
) -> NDArray[np.uint8]:
    """Convert RGBA to (h, w, channels); without an opacity of its own, the background shows.

    Raises:
        MalformedPictureError: If no picture has so many channels.
    """
    if channels not in _MODES:
        raise MalformedPictureError(
            f"pictures have 1 to 4 channels; the model takes {channels}: send its pixels"
        )
    if channels not in _WITH_OPACITY:
        image = _laid_on(image, background)
    return np.asarray(image.convert(_MODES[channels])).reshape(image.height, image.width, channels)


def inverted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the negative of pixels with 1 to 4 channels; opacity stays."""
    negative = 255 - pixels
    if pixels.shape[2] in _WITH_OPACITY:
        negative[..., -1] = pixels[..., -1]
    return negative


def _laid_on(image: Image.Image, background: Colour) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
