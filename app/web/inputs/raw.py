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

_FILE = re.compile(
    rb"(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<JPEG>\xff\xd8\xff[\xc0-\xff])|(?P<WebP>RIFF.{4}WEBP)"
    rb"|(?P<GIF>GIF8[79]a)|(?P<NumPy>\x93NUMPY)",
    re.DOTALL,
)
"""First bytes of files, which hardly any pixels have."""
_MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "NumPy": "application/x-npy",
}


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
    if file := _FILE.match(body):
        kind = str(file.lastgroup)
        raise BadInputError(
            f"the body begins as a {kind} file; pixels are expected: send it as "
            f"{_MEDIA_TYPES[kind]}",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    return Images(images, body)
