"""Reads pixels from the `instances` or `inputs` of a request; errors name the place.

What is right is taken list by list. Only an image that is not is looked at number by number. numpy
takes no part: it would turn all into strings for the sake of one.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from app.web.api.tensorflow_serving.errors import InvalidArgumentError
from app.web.http.errors import BadInputError
from app.web.http.json_parsing import describe, describe_keys
from app.web.inputs.json_instances import examine
from app.web.inputs.layout import layouts
from app.web.inputs.pixels import INK, check_count

if TYPE_CHECKING:
    from app.ipc.status import Shape

SIGNATURE = "serving_default"
INPUT = "images"


def images_of(document: dict[str, Any], shape: Shape, max_images: int) -> tuple[str, int, bytes]:
    """Read the images of a request.

    Args:
        document: The request.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The key that they stand at, `instances` or `inputs`, their number, and their uint8 pixels,
        row-major, image after image.

    Raises:
        InvalidArgumentError: If they are malformed.
        TooLargeError: If there are too many.
    """
    key, values = _values(document)
    check_count(len(values), max_images)
    if key == "instances" and dict in map(type, values):
        values = [_unnamed(index, value) for index, value in enumerate(values)]
    common: int | None = None
    pixels: list[bytes] = []
    for index, value in enumerate(values):
        read = _read(value, shape)
        if read is None:
            _refuse(f"image {index} of {key}", value, shape)
        levels, own = read
        if common not in (None, levels):
            found = f"image {index} of {key} is nested {levels} deep"
            raise InvalidArgumentError(f"{found}; {common} are expected, as of the first")
        common = levels
        pixels.append(own)
    return key, len(pixels), b"".join(pixels)


def _values(document: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return the key of the images, and their list."""
    keys = [key for key in ("instances", "inputs") if key in document]
    if len(keys) != 1:
        found = f"the body has the keys {describe_keys(document)}"
        raise InvalidArgumentError(f"{found}; one of instances and inputs is expected")
    (key,) = keys
    values = document[key]
    if key == "inputs" and isinstance(values, dict):
        if INPUT not in values:
            found = f"inputs has the keys {describe_keys(values)}"
            raise InvalidArgumentError(f"{found}; {INPUT} is expected")
        values = values[INPUT]
    if not values or not isinstance(values, list):
        raise InvalidArgumentError(f"{key} is {describe(values)}; a list of images is expected")
    return key, values


def _unnamed(index: int, value: Any) -> Any:
    """Return an instance without the name of the input."""
    if type(value) is not dict or [*value] != [INPUT]:
        found = describe(value)
        if isinstance(value, dict):
            found += f" with the keys {describe_keys(value)}"
        raise InvalidArgumentError(
            f"image {index} of instances is {found}; an object with the one key {INPUT} is "
            "expected, since one is an object"
        )
    return value[INPUT]


def _read(image: Any, shape: Shape) -> tuple[int, bytes] | None:
    """Return the nesting depth of an image, and its pixels; None if anything is wrong."""
    dimensions: list[int] = []
    level = [image]
    while (kinds := set(map(type, level))) == {list}:
        sizes = set(map(len, level))
        large = len(level) * max(sizes) > math.prod(shape) or len(dimensions) == len(shape)
        if len(sizes) > 1 or large:
            return None
        dimensions += sizes
        level = list(chain.from_iterable(level))
    if kinds != {int} or tuple(dimensions) not in layouts(shape):
        return None
    if min(level) < 0 or max(level) > INK:
        return None
    return len(dimensions), bytes(level)


def _refuse(where: str, image: Any, shape: Shape) -> NoReturn:
    try:
        examine(where, image, shape, kinds=(int,))
    except BadInputError as exc:
        raise InvalidArgumentError(str(exc)) from None
    raise AssertionError(where)  # what `_read` refuses has a fault
