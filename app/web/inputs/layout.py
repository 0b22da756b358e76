"""The layouts that an image may have in a request, and the names of its pixels in errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.ipc.status import Shape

UNITS = {1: ("pixel",), 2: ("row", "column"), 3: ("row", "column", "channel")}
"""Number of dimensions -> the unit of each."""


def layouts(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that an image may have: without its one channel, flat, or the model's."""
    return (*([shape[:2]] if shape[2] == 1 else []), (math.prod(shape),), shape)


def shape_text(shape: Shape) -> str:
    """Return a shape as text: 28 x 28 x 1."""
    return " x ".join(map(str, shape))


def pixel_name(image: str, indices: Sequence[int]) -> str:
    """Return the name of a pixel: the image's, and its index in every dimension."""
    named = zip(UNITS[len(indices)], indices, strict=True)
    return ", ".join([image, *(f"{unit} {index}" for unit, index in named)])
