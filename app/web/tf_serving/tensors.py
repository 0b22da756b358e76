"""Turns the `instances` or `inputs` of a request into pixels, or says what TensorFlow Serving does.

What is right is taken list by list. Only what is not is walked through, in the order and with the
complaints of TensorFlow Serving, which names the element and the level. numpy takes no part: it
would turn all into strings for the sake of one.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from app.web.encodings.pixels import INK, check_count
from app.web.errors import BadInputError
from app.web.tf_serving.documents import quote, type_name
from app.web.tf_serving.errors import InvalidArgumentError

if TYPE_CHECKING:
    from app.status import Shape

SIGNATURE = "serving_default"
INPUT = "images"
_DTYPE = "uint8"
_INT32 = range(-(2**31), 2**31)
"""What counts as an integer there, for any input of at most 32 bits."""
_MOST_DIMENSIONS = 8
"""Deeper lists than any image has are not walked through."""
PAUSE_EVERY = 32

Dimensions = tuple[int, ...]


class Images(NamedTuple):
    """What is to be classified."""

    rows: int
    """Number of images."""
    pixels: bytes
    """uint8, row-major, image after image."""


def images_of(document: dict[str, Any], shape: Shape, max_images: int) -> tuple[str, Images]:
    """Read the images of a request.

    Args:
        document: The request.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The key that they stand at, `instances` or `inputs`, and the images.

    Raises:
        InvalidArgumentError: If they are malformed.
        BadInputError: If they have another shape.
        TooLargeError: If there are too many.
    """
    if "instances" in document:
        key, values = "instances", _rows(document)
    elif "inputs" in document:
        key, values = "inputs", _columns(document["inputs"])
    else:
        raise InvalidArgumentError("Missing 'inputs' or 'instances' key")
    many = len(values) if isinstance(values, list) else 0
    check_count(many, max_images)
    joined = _join(values, math.prod(shape)) if many else None
    if joined is None:
        if key == "instances":
            _check_rows(document["instances"], shape)
        else:
            _check_columns(values, shape)
        _refuse_shape(_dimensions(values), shape)  # an empty one
    dimensions, pixels = joined
    if dimensions not in _layouts(shape):
        _refuse_shape((many, *dimensions), shape)
    return key, Images(many, pixels)


def _rows(document: dict[str, Any]) -> list[Any]:
    """Give the instances, without the input's name if all have it."""
    instances: list[Any] = document["instances"]
    found = None
    if "inputs" in document:
        keys = "'inputs' or 'instances' keys"
        found = f"Not formatted correctly expecting only one of {keys} to exist"
    elif not isinstance(instances, list):
        found = "Expecting 'instances' to be an list/array"
    elif not instances:
        found = "No values in 'instances' array"
    if found is not None:
        raise InvalidArgumentError(f"JSON Value: {quote(document)} {found}")
    if all(type(one) is dict and [*one] == [INPUT] for one in instances):
        return [one[INPUT] for one in instances]
    return instances


def _columns(inputs: Any) -> Any:
    """Give the only input, without its name if it has one."""
    if not _is_named(inputs):
        return inputs
    if INPUT not in inputs:
        raise InvalidArgumentError(f"Missing named input: {INPUT} in 'inputs' object.")
    return inputs[INPUT]


def _is_named(value: Any) -> bool:
    """Tell an object of named inputs from one that is a string in base64."""
    return isinstance(value, dict) and not ([*value] == ["b64"] and isinstance(value["b64"], str))


def _join(values: list[Any], size: int) -> tuple[Dimensions, bytes] | None:
    """Give the dimensions that all have, and their pixels; None where something is wrong.

    Args:
        values: One for each image.
        size: How many pixels it may have.
    """
    pixels: list[bytes] = []
    common: Dimensions | None = None
    for value in values:
        read = _read(value, size)
        if read is None:
            return None
        dimensions, own = read
        if common is not None and dimensions != common:
            return None
        common = dimensions
        pixels.append(own)
    return (common, b"".join(pixels)) if common is not None else None


def _read(value: Any, most: int) -> tuple[Dimensions, bytes] | None:
    """Give the dimensions of a tensor and its pixels; None where something is wrong or too much."""
    dimensions: list[int] = []
    level = [value]
    while (kinds := set(map(type, level))) == {list}:
        sizes = set(map(len, level))
        large = len(level) * max(sizes) > most or len(dimensions) == _MOST_DIMENSIONS
        if len(sizes) > 1 or large:
            return None
        dimensions += sizes
        level = list(chain.from_iterable(level))
    if kinds != {int} or min(level) < 0 or max(level) > INK:
        return None
    return tuple(dimensions), bytes(level)


def _layouts(shape: Shape) -> tuple[Dimensions, ...]:
    """Give what an image may look like: as the model has it, without its one channel, or flat."""
    return (shape, *([shape[:2]] if shape[2] == 1 else []), (math.prod(shape),))


def _refuse_shape(dimensions: Dimensions, shape: Shape) -> NoReturn:
    expected = " or ".join(_form((-1, *layout)) for layout in _layouts(shape))
    found = f"input {INPUT!r} has shape {_form(dimensions)}"
    raise BadInputError(f"{found}; {expected} is expected")


def _form(dimensions: Dimensions) -> str:
    return f"[{','.join(map(str, dimensions))}]"


def _dimensions(value: Any) -> Dimensions:
    """Give the dimensions of a tensor, which its first elements set."""
    dimensions: list[int] = []
    while isinstance(value, list):
        dimensions.append(len(value))
        value = value[0] if value else None
    if len(dimensions) > _MOST_DIMENSIONS:
        raise InvalidArgumentError(f"a list of {len(dimensions)} levels is no image")
    return tuple(dimensions)


def _check_rows(instances: list[Any], shape: Shape) -> None:
    first: Dimensions | None = None
    named = _is_named(instances[0])
    for index, element in enumerate(instances):
        where = f"Failed to process element: {index}"
        if _is_named(element) != named:
            expected, found = ("object", "list") if named else ("value/list", "object")
            raise InvalidArgumentError(
                f"Expecting {expected} but got {found} at item {index} of input list"
            )
        for name, value in element.items() if named else ((INPUT, element),):
            try:
                first = _check_item(name, value, first, shape)
            except InvalidArgumentError as exc:
                key = f" key: {name}" if named else ""
                raise InvalidArgumentError(
                    f"{where}{key} of 'instances' list. Error: INVALID_ARGUMENT: {exc}"
                ) from None
        if named and not element:
            raise InvalidArgumentError(
                f"{where} of 'instances' list. JSON object: {quote(element)} "
                f"keys must be equal to: {INPUT}"
            )


def _check_columns(values: Any, shape: Shape) -> None:
    dimensions = _dimensions(values)
    if math.prod(dimensions[1:]) <= math.prod(shape):  # else it is not worth a look
        _check(values, 0, dimensions)


def _check_item(name: str, value: Any, first: Dimensions | None, shape: Shape) -> Dimensions:
    """Check one input of an element; gives the dimensions that all must have."""
    if name != INPUT:
        raise InvalidArgumentError(f"JSON object: does not have named input: {name}")
    dimensions = _dimensions(value)
    if first is None:
        first = dimensions
    expected, found = math.prod(first), math.prod(dimensions)
    if max(expected, found) <= math.prod(shape):  # else it is not worth a look
        _check(value, 0, dimensions)
    if expected != found:
        raise InvalidArgumentError(f"Expecting tensor size: {expected} but got: {found}")
    if first != dimensions:
        form = _form(dimensions)
        raise InvalidArgumentError(f"Expecting shape {_form(first)} but got: {form}")
    return first


def _check(value: Any, level: int, dimensions: Dimensions) -> None:
    """Check every number and every list of a tensor, or of a part of one."""
    rank = len(dimensions)
    if not isinstance(value, list):
        if level != rank:
            raise InvalidArgumentError(
                f"JSON Value: {quote(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        _check_number(value)
        return
    if level >= rank:
        raise InvalidArgumentError(
            f"Encountered list at unexpected level: {level} expected < {rank}"
        )
    if len(value) != dimensions[level]:
        raise InvalidArgumentError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {dimensions[level]}"
        )
    read = _read(value, math.prod(dimensions[level:]))
    if read is not None and read[0] == dimensions[level:]:
        return  # as nearly every part is
    for inner in value:
        _check(inner, level + 1, dimensions)


def _check_number(value: Any) -> None:
    if type(value) is int and 0 <= value <= INK:
        return
    found = f"JSON Value: {quote(value)} Type: {type_name(value)}"
    if type(value) is not int or value not in _INT32:
        raise InvalidArgumentError(f"{found} is not of expected type: {_DTYPE}")
    raise InvalidArgumentError(f"{found} is out of the range of type: {_DTYPE}")
