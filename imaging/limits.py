"""What a picture's header promises, and how much of it is too much to decode."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imaging.errors import MalformedPictureError, PictureTooLargeError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MOST_PIXELS = 40_000_000
MOST_SIDE = 16_384
MOST_BYTES = 128 * 2**20
"""What a decoder may need for one picture."""
MOST_SCANS = 32
"""Of a JPEG. A progressive one has some 10, and each, however short, goes over all of it."""

_NARROW = {"1": 1, "L": 1, "P": 1, "I;16": 2}
"""Bytes of a pixel as Pillow holds it; 4 in every other mode."""
_WEBP_BYTES = 16
"""The same of WebP: two canvases, and a copy of the frame before Pillow's own."""
_COEFFICIENT_BYTES = 2


def check_size(width: int, height: int) -> None:
    """Refuse what has too many pixels, or none.

    Raises:
        PictureTooLargeError: If it has too many.
        MalformedPictureError: If it has none.
    """
    found = f"the picture is {width} x {height} pixels large"
    if width < 1 or height < 1:
        raise MalformedPictureError(f"{found}; at least 1 x 1 is expected")
    if max(width, height) > MOST_SIDE:
        message = f"{found}; at most {MOST_SIDE} to a side are read"
        raise PictureTooLargeError(message, found=max(width, height), limit=MOST_SIDE)
    if width * height > MOST_PIXELS:
        message = f"{found}; at most {MOST_PIXELS} in all are read"
        raise PictureTooLargeError(message, found=width * height, limit=MOST_PIXELS)


def check_cost(image: ImageFile, scans: int, stated: tuple[int, int]) -> None:
    """Refuse what would take too much memory or time to decode; called before that.

    Args:
        image: Opened, and perhaps told to decode itself smaller.
        scans: How often its file goes over it.
        stated: Width and height in its header.

    Raises:
        PictureTooLargeError: If it would.
    """
    needed = math.prod(image.size) * _NARROW.get(image.mode, 4)
    if isinstance(image, WebPImageFile):
        needed = math.prod(image.size) * _WEBP_BYTES
    elif isinstance(image, JpegImageFile):
        if scans > MOST_SCANS:
            message = f"the JPEG picture has {scans} scans; at most {MOST_SCANS} are read"
            raise PictureTooLargeError(message, found=scans, limit=MOST_SCANS)
        if scans > 1:
            needed += _coefficients_bytes(image, stated)
    if needed > MOST_BYTES:
        message = (
            f"a {image.format} picture of {stated[0]} x {stated[1]} pixels takes {needed} bytes "
            f"to decode; at most {MOST_BYTES} are given: send it smaller, or as a plain JPEG"
        )
        raise PictureTooLargeError(message, found=needed, limit=MOST_BYTES)


def _coefficients_bytes(image: JpegImageFile, stated: tuple[int, int]) -> int:
    """Return the bytes of the coefficients kept until the last scan, whatever the scale."""
    sampling = [across * down for _, across, down, _ in image.layer]
    return math.prod(stated) * _COEFFICIENT_BYTES * sum(sampling) // max(1, *sampling)
