"""Reads raw pixels: `application/octet-stream`, a byte each."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.inputs.images import Images
from app.web.inputs.layout import shape_text
from app.web.inputs.pixels import check_count

if TYPE_CHECKING:
    from app.ipc.status import Shape

_FILES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG file", "image/png"),
    (re.compile(rb"\xff\xd8\xff[\xc0-\xff]"), "a JPEG file", "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "a WebP file", "image/webp"),
    (re.compile(rb"GIF8[79]a"), "a GIF file", "image/gif"),
    (re.compile(rb"\x93NUMPY"), "a NumPy file", "application/x-npy"),
)
"""First bytes that hardly any pixels have, the kind of file, and its media type."""


def decode_raw_pixels(body: bytes, shape: Shape, max_images: int) -> Images:
    """Check the length of a body of uint8 pixels, row-major, image after image.

    Args:
        body: Nothing but pixels; 0 is background, 255 is ink.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Raises:
        BadInputError: If the body is not a whole number of images, or none, or begins as a file.
        TooLargeError: If there are too many images.
    """
    size = math.prod(shape)
    images, rest = divmod(len(body), size)
    if rest or not images:
        raise BadInputError(
            f"the body has {len(body)} bytes; {size} ({shape_text(shape)}) for each image are "
            "expected",
            code=ErrorCode.IMAGE_SIZE,
        )
    check_count(images, max_images)
    for beginning, name, media_type in _FILES:
        if beginning.match(body):
            raise BadInputError(
                f"the body begins as {name}; pixels are expected: send it as {media_type}",
                code=ErrorCode.IMAGE_UNREADABLE,
            )
    return Images(images, body)
