"""Reads NumPy's format, `application/x-npy`: an array of bytes or of other whole numbers.

The header is read by NumPy, with a bound on its length. What it says is compared with the bytes
that are there before anything is made of them, and objects are never unpickled.
"""

from __future__ import annotations

import io
import math
import tokenize
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.inputs.images import Images, no_pictures
from app.web.inputs.layout import layouts, pixel_name
from app.web.inputs.pixels import INK, check_count, refuse_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.ipc.status import Shape
    from app.web.inputs.images import ReadPictures

_MOST_HEADER_BYTES = 1024
"""NumPy itself writes less than 200 for a plain array."""
_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
"""Later versions are for arrays with named fields."""
_UNREADABLE = (ValueError, SyntaxError, RecursionError, MemoryError, TypeError, tokenize.TokenError)
"""What is raised on headers that are no literal, or none that NumPy knows."""
_COLOURS = (3, 4)
"""Channels: red, green, blue, and opacity."""


class Header(NamedTuple):
    """The header of an array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    column_major: bool
    size: int
    """Bytes before the data."""


def decode_npy(
    body: bytes,
    shape: Shape,
    max_images: int,
    pictures: ReadPictures = no_pictures,
    *,
    always: bool = False,
) -> Images:
    """Decode an array of images, or of one.

    Args:
        body: A whole `.npy` file: (rows, columns), (n, rows, columns), each also with a last axis
            of channels, or (n, pixels); of any type of numbers that has whole ones. Bytes may also
            be pictures of another size: (h, w), (n, h, w), (h, w, 3 or 4) or (n, h, w, 1, 3 or 4).
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.
        pictures: Reads pictures.
        always: Whether bytes are pictures even if they fit.

    Raises:
        BadInputError: If it is no such array, or holds anything but whole numbers from 0 to 255.
        TooLargeError: If there are too many images.
        ServiceError: If a picture cannot be read; the class says why.
    """
    array = read_array(body)
    images = arrange(array, shape)
    if array.dtype == np.uint8 and (images is None or always):
        stack = _stack(array if images is None else images)
        if stack is not None:
            check_count(len(stack), max_images)
            return pictures(list(stack), lambda i: f"picture {i}")
    if images is None:
        raise BadInputError(
            f"the array's shape is {array.shape}; {_expected(shape)} is expected",
            code=ErrorCode.IMAGE_SIZE,
        )
    if not len(images):
        raise BadInputError(
            f"the array's shape is {array.shape}; give at least one image",
            code=ErrorCode.IMAGES_NONE,
        )
    check_count(len(images), max_images)
    return Images(len(images), _to_bytes(images))


def read_array(body: bytes) -> NDArray[Any]:
    """Read an array of numbers; it is a view of the body.

    Raises:
        BadInputError: If the body is no such array, whole and with nothing behind it.
    """
    header = read_header(body)
    dtype, shape = header.dtype, header.shape
    if dtype.hasobject:
        raise BadInputError(
            "the array is of Python objects, which are never unpickled",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    if dtype.kind not in "uif" or dtype.itemsize > 8:  # noqa: PLR2004 - bytes of a float64
        raise BadInputError(
            f"the array is of {_name(dtype)}; numbers such as uint8 are expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    if any(length < 0 for length in shape):
        raise BadInputError(
            f"the array's shape is {shape}; lengths are not negative",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    found, said = len(body) - header.size, math.prod(shape) * dtype.itemsize
    if found != said:
        raise BadInputError(
            f"the array is {shape} of {dtype.name}, which is {said} bytes; {found} are there",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    flat: NDArray[Any] = np.frombuffer(body, dtype, offset=header.size)
    try:
        return flat.reshape(shape[::-1]).T if header.column_major else flat.reshape(shape)
    except ValueError:  # an empty array may be said to be of any length, in any number of axes
        message = f"the array's shape is {shape}; no array has so many axes, or is so long"
        raise BadInputError(message, code=ErrorCode.IMAGE_UNREADABLE) from None


def read_header(body: bytes) -> Header:
    """Read the header of an array.

    Raises:
        BadInputError: If it is not the header of an array.
    """
    file = io.BytesIO(body)
    try:
        version = npy_format.read_magic(file)
    except ValueError:
        start, magic = body[: len(npy_format.MAGIC_PREFIX)], npy_format.MAGIC_PREFIX
        message = f"the body is no .npy file: it starts with {start!r}; {magic!r} is expected"
        raise BadInputError(message, code=ErrorCode.IMAGE_UNREADABLE) from None
    reader = _READERS.get(version)
    if reader is None:
        found = ".".join(map(str, version))
        raise BadInputError(
            f"the .npy file is of version {found}; 1.0 or 2.0 is expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    try:
        shape, column_major, dtype = reader(file, max_header_size=_MOST_HEADER_BYTES)
    except _UNREADABLE:  # whose words may name what is of no concern to a caller
        message = f"descr, fortran_order and shape in at most {_MOST_HEADER_BYTES} bytes"
        raise BadInputError(
            f"the header of the .npy file cannot be read; {message} are expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        ) from None
    return Header(dtype, tuple(map(int, shape)), column_major, file.tell())


def arrange(array: NDArray[Any], shape: Shape) -> NDArray[Any] | None:
    """Return images in the model's shape; None if they have another."""
    if array.shape in layouts(shape):
        return array.reshape(1, *shape)
    if array.shape[1:] in layouts(shape):
        return array.reshape(len(array), *shape)
    return None


def _stack(array: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return pictures, stacked; None if the array's shape is no picture's."""
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _COLOURS):  # noqa: PLR2004
        array = array[np.newaxis]
    coloured = array.ndim == 4 and array.shape[3] in (1, *_COLOURS)  # noqa: PLR2004
    return array if array.size and (coloured or array.ndim == 3) else None  # noqa: PLR2004


def _to_bytes(images: NDArray[Any]) -> bytes:
    if images.dtype != np.uint8:
        with np.errstate(all="ignore"):
            right = (images >= 0) & (images <= INK)
            if images.dtype.kind == "f":
                right &= images % 1 == 0
        if not right.all():
            index, *place = np.argwhere(~right)[0].tolist()
            where = pixel_name(f"image {index}", place if images.shape[3] > 1 else place[:2])
            refuse_number(where, images[(index, *place)].item())
    return images.astype(np.uint8, copy=False).tobytes()


def _expected(shape: Shape) -> str:
    rows, columns, channels = shape
    one = f"{rows}, {columns}" if channels == 1 else ", ".join(map(str, shape))
    return f"({one}), (n, {one}) or (n, {math.prod(shape)})"


def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.names is None else "named fields"
