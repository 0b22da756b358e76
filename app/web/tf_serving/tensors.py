"""Turns the `instances` or `inputs` of a request into pixels, or says what TensorFlow Serving does.

numpy takes what is right. Only what it does not take is walked through, in the order and with the
complaints of TensorFlow Serving, which names the element and the level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from app.web.errors import BadInputError, TooLargeError
from app.web.tf_serving.documents import quote, type_name
from app.web.tf_serving.errors import InvalidArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.status import Shape

INPUT = "images"
_DTYPE = "uint8"
_INK = 255
_INT32 = range(-(2**31), 2**31)
"""What counts as an integer there, for any input of at most 32 bits."""
_MOST_DIMENSIONS = 8
"""Deeper lists than any image has are not walked through."""


class Images(NamedTuple):
    """What is to be classified."""

    rows: int
    """Number of images."""
    pixels: bytes
    """uint8, row-major, image after image."""


def images_of(
    document: dict[str, Any], shape: Shape, max_images: int, *, booleans: bool
) -> tuple[str, Images]:
    """Read the images of a request.

    Args:
        document: The request.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.
        booleans: There are some somewhere in it, which numpy would take for numbers.

    Returns:
        The key that they stand at, `instances` or `inputs`, and the images.

    Raises:
        InvalidArgumentError: If they are malformed.
        BadInputError: If they have another shape, or are out of range.
        TooLargeError: If there are too many.
    """
    if "instances" in document:
        key, values = "instances", _rows(document)
    elif "inputs" in document:
        key, values = "inputs", _columns(document["inputs"])
    else:
        raise InvalidArgumentError("Missing 'inputs' or 'instances' key")
    if isinstance(values, list):
        _bound(len(values), max_images)
    array = None if booleans and _may_hold_booleans(values) else _convert(values)
    if array is None:
        if key == "instances":
            _check_rows(document["instances"])
        else:
            _check(values)
        array = np.array(values, np.uint8)
    return key, _images(array, shape, max_images)


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


def _may_hold_booleans(values: Any) -> bool:
    try:
        text = orjson.dumps(values)
    except TypeError:  # an integer of more than 64 bits, for example
        return True
    return b"true" in text or b"false" in text


def _convert(values: Any) -> NDArray[np.uint8] | None:
    """Take what is right; None where something is wrong."""
    try:
        array = np.array(values)
    except (ValueError, OverflowError):  # ragged, or nested too deep for an array
        return None
    right = array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= _INK
    return array.astype(np.uint8) if right else None


def _images(array: NDArray[np.uint8], shape: Shape, max_images: int) -> Images:
    """Take an array for images: in the model's shape, or flat, or one channel without its axis."""
    layouts = (shape, *([shape[:2]] if shape[2] == 1 else []), (math.prod(shape),))
    if array.shape[1:] not in layouts or not array.size:
        expected = " or ".join(_form((-1, *layout)) for layout in layouts)
        found = f"input {INPUT!r} has shape {_form(array.shape)}"
        raise BadInputError(f"{found}; {expected} is expected")
    _bound(len(array), max_images)
    return Images(len(array), array.tobytes())


def _form(dimensions: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, dimensions))}]"


def _bound(images: int, max_images: int) -> None:
    if images > max_images:
        sentence = f"{images} images in one request; at most {max_images} are taken"
        raise TooLargeError(sentence, found=images, limit=max_images)


def _check_rows(instances: list[Any]) -> None:
    first: tuple[int, ...] | None = None
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
                first = _check_item(name, value, first)
            except InvalidArgumentError as exc:
                key = f" key: {name}" if named else ""
                raise InvalidArgumentError(
                    f"{where}{key} of 'instances' list. Error: INVALID_ARGUMENT: {exc}"
                ) from None
        if not element and named:
            raise InvalidArgumentError(
                f"{where} of 'instances' list. JSON object: {quote(element)} "
                f"keys must be equal to: {INPUT}"
            )


def _check_item(name: str, value: Any, first: tuple[int, ...] | None) -> tuple[int, ...]:
    """Check one input of an element; gives the dimensions that all must have."""
    if name != INPUT:
        raise InvalidArgumentError(f"JSON object: does not have named input: {name}")
    dimensions = _check(value)
    if first is None:
        return dimensions
    expected, found = math.prod(first), math.prod(dimensions)
    if expected != found:
        raise InvalidArgumentError(f"Expecting tensor size: {expected} but got: {found}")
    if first != dimensions:
        form = _form(dimensions)
        raise InvalidArgumentError(f"Expecting shape {_form(first)} but got: {form}")
    return first


def _check(value: Any) -> tuple[int, ...]:
    """Check every number and every list; gives the dimensions, which its first elements set."""
    dimensions: list[int] = []
    inner = value
    while isinstance(inner, list):
        dimensions.append(len(inner))
        inner = inner[0] if inner else None
    if len(dimensions) > _MOST_DIMENSIONS:
        raise InvalidArgumentError(f"a list of {len(dimensions)} levels is no image")
    _check_level(value, 0, dimensions)
    return tuple(dimensions)


def _check_level(value: Any, level: int, dimensions: list[int]) -> None:
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
    plain = level == rank - 1 and set(map(type, value)) == {int}
    if plain and min(value) >= 0 and max(value) <= _INK:
        return  # as nearly every list of numbers is
    for inner in value:
        _check_level(inner, level + 1, dimensions)


def _check_number(value: Any) -> None:
    found = f"JSON Value: {quote(value)} Type: {type_name(value)}"
    if type(value) is not int or value not in _INT32:
        raise InvalidArgumentError(f"{found} is not of expected type: {_DTYPE}")
    if not 0 <= value <= _INK:
        raise InvalidArgumentError(f"{found} is out of the range of type: {_DTYPE}")
