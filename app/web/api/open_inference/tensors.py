"""Reads pixels from an input tensor; errors name the exact element."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.http.json_parsing import describe, shorten
from app.web.inputs.layout import layouts
from app.web.inputs.pixels import INK, RANGE, check_count, refuse_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.ipc.status import Shape

INPUT = "images"
"""The one tensor that a model takes."""
DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""What holds pixels: how its bytes are read."""
_SLICE_IMAGES = 32


class Tensor(NamedTuple):
    """An input tensor of a request."""

    name: str
    datatype: str
    shape: tuple[int, ...] | None
    """None is one image, whatever the model takes."""
    data: list[Any] | memoryview
    """Numbers, flat or nested, or their bytes: little-endian, row-major."""


def read_pixels(tensor: Tensor, shape: Shape, max_images: int) -> tuple[int, bytes | memoryview]:
    """Check a tensor, and return its pixels.

    Args:
        tensor: One of shape (n, rows, columns, channels) or (n, pixels) or, of one channel,
            (n, rows, columns), and of any datatype that holds whole numbers.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The number of images, and their uint8 pixels, row-major, image after image.

    Raises:
        BadInputError: If anything is wrong with it; says where.
        TooLargeError: If there are too many images.
    """
    datatype = _datatype(tensor)
    dimensions = (1, *shape) if tensor.shape is None else tensor.shape
    _check_shape(dimensions, shape, max_images)
    if isinstance(tensor.data, memoryview):
        pixels = _from_bytes(tensor, datatype, dimensions)
    else:
        pixels = _from_numbers(tensor.data, datatype, dimensions)
    return dimensions[0], pixels


def _datatype(tensor: Tensor) -> np.dtype[Any]:
    datatype = DATATYPES.get(tensor.datatype)
    if datatype is None:
        raise BadInputError(
            f"input {INPUT} has the datatype {shorten(tensor.datatype)}, which holds no "
            f"pixels; UINT8 is expected, or another of {', '.join(DATATYPES)}, or BYTES of pictures"
        )
    return datatype


def _check_shape(dimensions: tuple[int, ...], shape: Shape, max_images: int) -> None:
    if not dimensions or dimensions[0] < 1 or dimensions[1:] not in layouts(shape):
        forms = (", ".join(map(str, layout)) for layout in layouts(shape))
        expected = " or ".join(f"[n, {form}]" for form in forms)
        found = f"input {INPUT} has the shape {list(dimensions)}"
        raise BadInputError(
            f"{found}; {expected} is expected, n at least 1", code=ErrorCode.IMAGE_SIZE
        )
    check_count(dimensions[0], max_images)


def _from_bytes(
    tensor: Tensor, datatype: np.dtype[Any], dimensions: tuple[int, ...]
) -> bytes | memoryview:
    assert isinstance(tensor.data, memoryview)  # noqa: S101 - the caller has looked
    expected = math.prod(dimensions) * datatype.itemsize
    if len(tensor.data) != expected:
        raise BadInputError(
            f"input {INPUT} has {len(tensor.data)} bytes; {expected} are expected for "
            f"{tensor.datatype} of shape {list(dimensions)}",
            code=ErrorCode.IMAGE_SIZE,
        )
    if datatype == np.uint8:
        return tensor.data
    return _pack(np.frombuffer(tensor.data, datatype), dimensions)


def _from_numbers(
    data: list[Any],
    datatype: np.dtype[Any],
    dimensions: tuple[int, ...],
) -> bytes:
    """Read what JSON holds, flat or nested as its shape says, in slices."""
    images, each = dimensions[0], dimensions[1:]
    size = math.prod(each)
    nested = bool(data) and isinstance(data[0], list)
    if nested and len(data) != images:
        _refuse_nesting(data, images, dimensions)
    if not nested and len(data) != images * size:
        found = f"input {INPUT} has {len(data)} numbers"
        raise BadInputError(
            f"{found}; {images * size} are expected for shape {list(dimensions)}",
            code=ErrorCode.IMAGE_SIZE,
        )
    most = INK if datatype.kind == "f" else min(INK, np.iinfo(datatype).max)
    pixels = []
    for start in range(0, images, _SLICE_IMAGES):
        stop = start + _SLICE_IMAGES
        if nested:
            values = _flatten(data[start:stop], dimensions)
        else:
            values = data[start * size : stop * size]
        pixels.append(_narrow(values, dimensions, start * size, most))
    return b"".join(pixels)


def _flatten(images: list[Any], dimensions: tuple[int, ...]) -> list[Any]:
    """Return the numbers of some images, nested as the shape says."""
    level = images
    for size in dimensions[1:]:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            wrong = (x for x in level if not isinstance(x, list) or len(x) != size)
            _refuse_nesting(next(wrong), size, dimensions)
        level = list(chain.from_iterable(level))
    return level


def _narrow(values: list[Any], dimensions: tuple[int, ...], start: int, most: int) -> bytes:
    """Turn numbers into bytes.

    Args:
        values: Of JSON: they may be anything.
        dimensions: Of the whole tensor.
        start: How many of its numbers come before these.
        most: The largest that may be among them.
    """
    kinds = set(map(type, values))
    if kinds == {int} and most == INK:
        try:
            return bytes(values)
        except ValueError:
            pass  # one is out of range; it is looked for below
    if kinds <= {int, float}:
        return _pack(np.array(values, np.float64), dimensions, start, most)
    position = next(n for n, value in enumerate(values) if type(value) not in (int, float))
    place = _place(start + position, dimensions)
    raise BadInputError(
        f"{place} is {describe(values[position])}; {RANGE}", code=ErrorCode.IMAGE_PIXEL_RANGE
    )


def _refuse_nesting(part: Any, size: int, dimensions: tuple[int, ...]) -> NoReturn:
    raise BadInputError(
        f"input {INPUT} is not nested as its shape {list(dimensions)} says: "
        f"{describe(part)} where a list of {size} is expected",
        code=ErrorCode.IMAGE_SIZE,
    )


def _pack(
    values: NDArray[Any], dimensions: tuple[int, ...], start: int = 0, most: int = INK
) -> bytes:
    with np.errstate(invalid="ignore"):  # what becomes of NaN is not equal to it, whatever it is
        pixels = values.astype(np.uint8)
    right = pixels == values
    if most < INK:
        right &= pixels <= most
    if not right.all():
        position = int(right.argmin())
        value, place = values[position].item(), _place(start + position, dimensions)
        if most < value <= INK and value % 1 == 0:
            raise BadInputError(
                f"{place}: {value:g}; the datatype holds no more than {most}",
                code=ErrorCode.IMAGE_PIXEL_RANGE,
            )
        refuse_number(place, value)
    return pixels.tobytes()


def _place(position: int, dimensions: tuple[int, ...]) -> str:
    index = ", ".join(map(str, np.unravel_index(position, dimensions)))
    return f"input {INPUT}, the value at [{index}]"
