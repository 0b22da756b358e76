"""What every encoding says about pixels that are wrong, and about too many images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

from app.web.http.errors import BadInputError, TooLargeError

if TYPE_CHECKING:
    from app.ipc.status import Shape

INK = 255
RANGE = "pixels are whole numbers from 0 (background) to 255 (ink)"


def refuse_number(where: str, value: float) -> NoReturn:
    """Say what is wrong with a number that is no pixel.

    Raises:
        BadInputError: Always.
    """
    if isinstance(value, float) and math.isfinite(value) and value % 1:
        hint = " and are not scaled to 0..1" if 0 < value < 1 else ""
        raise BadInputError(f"{where}: {value!r} is a fraction; {RANGE}{hint}")
    if 0 <= value <= INK:
        raise BadInputError(f"{where}: {value!r} is written as a fraction; {RANGE}")
    found = f"{value:g}" if isinstance(value, float) else str(value)
    raise BadInputError(f"{where}: {found} is out of range; {RANGE}")


def check_count(images: int, max_images: int) -> None:
    """Bound the images of a request.

    Raises:
        TooLargeError: If there are too many.
    """
    if images > max_images:
        sentence = f"{images} images in one request; at most {max_images} are taken"
        raise TooLargeError(sentence, found=images, limit=max_images)


def layouts(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """Return what an image may look like: without its one channel, flat, or as the model has it."""
    return (*([shape[:2]] if shape[2] == 1 else []), (math.prod(shape),), shape)


def form(shape: Shape) -> str:
    """Write a shape as people do: 28 x 28 x 1."""
    return " x ".join(map(str, shape))
