"""Takes pixels as they are: `application/octet-stream`, a byte each."""

from __future__ import annotations

import math

from app.web.errors import BadInputError, TooLargeError


def decode_raw_pixels(
    body: bytes, shape: tuple[int, int, int], max_images: int
) -> tuple[int, bytes]:
    """Check the length of a body of uint8 pixels, row-major, image after image.

    Args:
        body: Nothing but pixels; 0 is background, 255 is ink.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The number of images, and their pixels.

    Raises:
        BadInputError: If the body is not a whole number of images, or none.
        TooLargeError: If there are too many images.
    """
    size = math.prod(shape)
    images, rest = divmod(len(body), size)
    if rest or not images:
        form = " x ".join(map(str, shape))
        raise BadInputError(
            f"the body has {len(body)} bytes; {size} ({form}) for each image are expected"
        )
    if images > max_images:
        sentence = f"{images} images in one request; at most {max_images} are taken"
        raise TooLargeError(sentence, found=images, limit=max_images)
    return images, body
