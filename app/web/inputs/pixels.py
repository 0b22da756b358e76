"""Errors for invalid pixels and too many images, shared by all encodings."""

from __future__ import annotations

import math
from typing import NoReturn

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, TooLargeError

INK = 255
RANGE = "pixels are whole numbers from 0 (background) to 255 (ink)"


def refuse_number(where: str, value: float) -> NoReturn:
    """Raise the error of a number that is no pixel.

    Raises:
        BadInputError: Always.
    """
    if isinstance(value, float) and math.isfinite(value) and value % 1:
        hint = " and are not scaled to 0..1" if 0 < value < 1 else ""
        raise BadInputError(
            f"{where}: {value!r} is a fraction; {RANGE}{hint}", code=ErrorCode.IMAGE_PIXEL_RANGE
        )
    if 0 <= value <= INK:
        raise BadInputError(
            f"{where}: {value!r} is written as a fraction; {RANGE}",
            code=ErrorCode.IMAGE_PIXEL_RANGE,
        )
    found = f"{value:g}" if isinstance(value, float) else str(value)
    raise BadInputError(
        f"{where}: {found} is out of range; {RANGE}", code=ErrorCode.IMAGE_PIXEL_RANGE
    )


def check_count(images: int, max_images: int) -> None:
    """Check the number of images of a request.

    Raises:
        TooLargeError: If there are too many.
    """
    if images > max_images:
        message = f"{images} images in one request; at most {max_images} are taken"
        raise TooLargeError(message, found=images, limit=max_images, code=ErrorCode.IMAGES_TOO_MANY)
