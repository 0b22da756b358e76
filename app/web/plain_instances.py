"""The short way for the usual JSON: images of whole numbers, as rows or flat, and nothing else.

What is left of such a body without its digits depends on the number of images alone, so one
comparison checks every bracket and comma. The numbers then go from text to `uint8` without a Python
object for each.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import simdjson

Shape = tuple[int, int, int]
"""Rows, columns, channels of one image."""

_DIGITS_AND_SPACE = b"0123456789 \t\r\n"
_OPENING = b'{"instances":['
_CLOSING = b"]}"
_INK = 255

_parser = simdjson.Parser()


def read_plain(body: bytes, shape: Shape, max_images: int) -> tuple[int, bytes] | None:
    """Decode `{"instances": [image, ...]}`; None for whatever needs a closer look.

    Args:
        body: JSON; an image is a list of rows or, of any number of channels, flat.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The number of images, and their uint8 pixels, row-major, image after image.
    """
    frame = body.translate(None, _DIGITS_AND_SPACE)
    for image in _image_frames(shape):
        images = (len(frame) - len(_OPENING) - len(_CLOSING) + 1) // (len(image) + 1)
        if 0 < images <= max_images and frame == _frame(image, images):
            return _numbers(body, images)
    return None


def _numbers(body: bytes, images: int) -> tuple[int, bytes] | None:
    try:
        document: Any = _parser.parse(body)
        numbers = np.frombuffer(document["instances"].as_buffer(of_type="u"), np.uint64)
    except (ValueError, KeyError, RuntimeError):  # no JSON, digits in the key, beyond 64 bits
        return None
    if numbers.max() > _INK:
        return None
    return images, numbers.astype(np.uint8).tobytes()


def _frame(image: bytes, images: int) -> bytes:
    return _OPENING + (image + b",") * (images - 1) + image + _CLOSING


@lru_cache(maxsize=16)
def _image_frames(shape: Shape) -> tuple[bytes, ...]:
    """Give what an image's JSON looks like without its digits: as rows, and flat."""
    rows, columns, channels = shape
    flat = b"[" + b"," * (rows * columns * channels - 1) + b"]"
    if channels != 1:
        return (flat,)
    row = b"[" + b"," * (columns - 1) + b"]"
    return b"[" + (row + b",") * (rows - 1) + row + b"]", flat
