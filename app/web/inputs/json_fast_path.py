"""The short way for the usual JSON: images of whole numbers, as rows or flat, and nothing else.

What is left of such a body without its digits depends on the number of images alone, so one
comparison checks every bracket and comma. The numbers then go from text to `uint8` without a Python
object for each. A body of many images is read in slices, so that other requests are not held up.
"""

from __future__ import annotations

import math
import threading
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import simdjson

from app.web.inputs.layout import layouts
from app.web.inputs.pixels import INK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.ipc.status import Shape

_DIGITS_AND_SPACE = b"0123456789 \t\r\n"
_OPENINGS = {"instances": b'{"instances":[', "inputs": b'{"inputs":['}
_CLOSING = b"]}"
_SLICE_IMAGES = 32
_one_at_a_time = threading.Lock()
"""Held while a body of many images is read: threads that share the interpreter finish all of them
later than one after the other."""
_FEW_BYTES = 64
"""Enough for the brackets that an image begins with, however they are spaced."""


def read_plain(
    body: bytes,
    shape: Shape,
    max_images: int,
    key: str = "instances",
) -> tuple[int, bytes] | None:
    """Decode `{"instances": [image, ...]}`; None for whatever needs a closer look.

    Args:
        body: JSON; an image is a list of rows of columns of channels, flat, or, of one channel, a
            list of rows.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.
        key: What the images stand at, `instances` or `inputs`.

    Returns:
        The number of images, and their uint8 pixels, row-major, image after image.
    """
    if len(body) < _SLICE_IMAGES * 2 * math.prod(shape):  # a digit and a comma for each pixel
        return _read_slice(body, shape, max_images, key)
    with _one_at_a_time:
        return _read_slices(body, shape, max_images, key)


def _read_slices(body: bytes, shape: Shape, max_images: int, key: str) -> tuple[int, bytes] | None:
    images = 0
    pixels: list[bytes] = []
    for part in _slices(body):
        read = _read_slice(part, shape, max_images - images, key)
        if read is None:
            return None
        images += read[0]
        pixels.append(read[1])
    return (images, b"".join(pixels)) if images else None


def _slices(body: bytes) -> Iterator[bytes]:
    """Cut a body of images that are nested into bodies of fewer; what cannot be cut is one slice.

    Each has the whole body's beginning and end, so that nothing but the commas in between is left
    to be checked here.
    """
    start, last = body.find(b"[") + 1, body.rfind(b"]")
    opening, closing = body[:start], body[last:]
    channels = body[start : start + _FEW_BYTES].translate(None, _DIGITS_AND_SPACE)[:3] == b"[[["
    ending = b"]]]" if channels else b"]]"
    stop = start
    while stop < last:
        for _ in range(_SLICE_IMAGES):
            end = body.find(ending, stop, last)
            if end < 0:
                stop = last
                break
            stop = end + len(ending)
        following = body.find(b"[", stop, last)
        if following < 0 or body[stop:following].strip() != b",":
            stop = following = last
        yield opening + body[start:stop] + closing
        start = stop = following


def _read_slice(body: bytes, shape: Shape, max_images: int, key: str) -> tuple[int, bytes] | None:
    frame = body.translate(None, _DIGITS_AND_SPACE)
    opening = _OPENINGS[key]
    for image in _image_frames(shape):
        images = (len(frame) - len(opening) - len(_CLOSING) + 1) // (len(image) + 1)
        if 0 < images <= max_images and frame == _frame(opening, image, images):
            return _numbers(body, images, math.prod(shape), key)
    return None


def _numbers(body: bytes, images: int, size: int, key: str) -> tuple[int, bytes] | None:
    try:
        document: Any = simdjson.Parser().parse(body)  # one for all is busy in another thread
        numbers = np.frombuffer(document[key].as_buffer(of_type="u"), np.uint64)
    except (ValueError, KeyError, RuntimeError):  # no JSON, digits in the key, beyond 64 bits
        return None
    if len(numbers) != images * size or numbers.max() > INK:  # a list of one may be empty
        return None
    return images, numbers.astype(np.uint8).tobytes()


def _frame(opening: bytes, image: bytes, images: int) -> bytes:
    return opening + (image + b",") * (images - 1) + image + _CLOSING


@lru_cache(maxsize=16)
def _image_frames(shape: Shape) -> tuple[bytes, ...]:
    """Return what an image's JSON looks like without its digits, in each layout."""
    return tuple(reduce(_list_of, reversed(layout), b"") for layout in layouts(shape))


def _list_of(item: bytes, count: int) -> bytes:
    return b"[" + b",".join([item] * count) + b"]"
