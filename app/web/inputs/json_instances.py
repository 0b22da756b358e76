"""Turns the JSON of `/predict` into pixels, and says exactly what is wrong where it cannot.

The usual JSON takes the short way of `json_fast_path`. Beside other keys, `bytes()` of a list
checks that every number is an integer from 0 to 255; unusual but right input (28 x 28 x 1, 255.0)
goes through numpy. Only what is left is looked at number by number, to name the place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import orjson
import simdjson

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.http.json_parsing import (
    describe,
    describe_fault,
    describe_keys,
    find_nonfinite,
    parse_json,
)
from app.web.inputs.images import Images, no_pictures
from app.web.inputs.json_base64 import decode_base64, is_raw
from app.web.inputs.json_fast_path import read_plain
from app.web.inputs.layout import UNITS, layouts, pixel_name
from app.web.inputs.pixels import INK, RANGE, check_count, refuse_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.ipc.status import Shape
    from app.web.inputs.images import ReadPictures

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def decode_instances(
    body: bytes,
    shape: Shape,
    max_images: int,
    pictures: ReadPictures = no_pictures,
) -> Images:
    """Decode a JSON body.

    Args:
        body: `{"instances": [...]}`; an instance is a list of rows, a flat list, rows of columns
            of channels, or `{"b64": "..."}`, the base64 of a picture's file or of raw pixels.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the instances.
        pictures: Reads those that are base64.

    Raises:
        BadInputError: If anything is malformed; names the instance, row and column.
        TooLargeError: If there are too many instances.
        ServiceError: If a picture cannot be read; the class says why.
    """
    plain = read_plain(body, shape, max_images)
    if plain is not None:
        return Images(*plain)
    instances = _instances(body)
    check_count(len(instances), max_images)
    # bytes() and numpy take booleans for 0 and 1.
    numbers = b"true" not in body and b"false" not in body
    pixels: list[bytes] = []
    files: dict[int, bytes] = {}
    for index, instance in enumerate(instances):
        if type(instance) is dict:
            content = decode_base64(f"instance {index}", instance)
            if not is_raw(content, math.prod(shape)):
                files[index], content = content, b""
            pixels.append(content)
        else:
            pixels.append(
                (numbers and (_pack(instance, shape) or _convert(instance, shape)))
                or examine(f"instance {index}", instance, shape)
            )
    if files:
        return _with_pictures(pixels, files, shape, pictures)
    return Images(len(instances), b"".join(pixels))


def _with_pictures(
    pixels: list[bytes], files: dict[int, bytes], shape: Shape, pictures: ReadPictures
) -> Images:
    """Insert the pictures at their places among other images."""
    places = list(files)
    read = pictures(list(files.values()), lambda i: f"instance {places[i]}")
    size = math.prod(shape)
    notes: list[tuple[str, ...]] = [()] * len(pixels)
    for number, place in enumerate(places):
        pixels[place] = bytes(read.pixels[number * size : (number + 1) * size])
        notes[place] = read.notes[number] if read.notes else ()
    return Images(len(pixels), b"".join(pixels), notes)


def _instances(body: bytes) -> list[Any]:
    document = _parse(body)
    if not isinstance(document, dict):
        raise BadInputError(
            f'the body is {describe(document)}; an object {{"instances": [...]}} is expected'
        )
    if body.count(b'"instances"') > 1 and _stands_twice(body):
        raise BadInputError('the body has the key "instances" twice; give it once')
    if "instances" not in document:
        keys = describe_keys(document)
        raise BadInputError(f'the body has no key "instances" (its keys: {keys})')
    instances = document["instances"]
    if not isinstance(instances, list):
        raise BadInputError(
            f"instances is {describe(instances)}; a list of images is expected", field="instances"
        )
    if not instances:
        raise BadInputError(
            "instances is empty; give at least one image",
            field="instances",
            code=ErrorCode.IMAGES_NONE,
        )
    return instances


def _stands_twice(body: bytes) -> bool:
    """Check for a duplicate key: the name may also be a value, or a key further inside."""
    try:
        document: Any = simdjson.Parser().parse(body)
    except (ValueError, RuntimeError):  # numbers that it does not read, and no pixel is
        return False
    return [*document].count("instances") > 1


def _parse(body: bytes) -> Any:
    if not body:
        raise BadInputError(
            'the body is empty; {"instances": [...]} is expected',
            code=ErrorCode.REQUEST_MALFORMED_JSON,
        )
    if body.startswith(_BYTE_ORDER_MARKS) or body[:2].count(0):
        raise BadInputError(
            "the body is not plain UTF-8: JSON has no byte order mark and no NUL",
            code=ErrorCode.REQUEST_MALFORMED_JSON,
        )
    try:
        return parse_json(body)
    except orjson.JSONDecodeError as exc:
        code = ErrorCode.REQUEST_MALFORMED_JSON
        if "depth limit" in exc.msg:
            message = "the JSON is nested too deep; an image has 3 levels"
        elif token := find_nonfinite(exc):
            code = ErrorCode.IMAGE_PIXEL_RANGE
            message = f"{token.group()} at character {token.start()}: {RANGE}"
        elif "infinity" in exc.msg:
            code = ErrorCode.IMAGE_PIXEL_RANGE
            message = f"a number out of range at character {exc.pos}: {RANGE}"
        else:
            message = f"the body is {describe_fault(exc)}"
        raise BadInputError(message, code=code) from None


def _pack(instance: Any, shape: Shape) -> bytes | None:
    """Pack an instance by the fast path; return None if it needs a closer check."""
    rows, columns, channels = shape
    try:
        if len(instance) == rows * columns * channels:
            return bytes(instance)
        if channels == 1 and len(instance) == rows and all(len(r) == columns for r in instance):
            return b"".join(map(bytes, instance))
    except (TypeError, ValueError):
        return None
    return None


def _convert(instance: Any, shape: Shape) -> bytes | None:
    """Convert an instance with numpy; return None if anything is wrong."""
    try:
        # Of objects: for the sake of one string, numpy would make as long ones of all the others.
        objects = np.array(instance, np.object_)
    except ValueError:
        return None
    if objects.shape not in layouts(shape) or not {*map(type, objects.flat)} <= {int, float}:
        return None
    pixels = objects.astype(np.float64)
    if (pixels % 1).any() or pixels.min() < 0 or pixels.max() > INK:
        return None
    return pixels.astype(np.uint8).tobytes()


def examine(
    where: str, instance: Any, shape: Shape, kinds: Collection[type] = (int, float)
) -> bytes:
    """Read an image number by number.

    Args:
        where: Names it.
        instance: Whatever stands there.
        shape: Rows, columns and channels that the model takes.
        kinds: How a pixel may be written.

    Raises:
        BadInputError: If anything is wrong with it; names the row and column.
    """
    dimensions = _dimensions(where, instance, shape)
    flat = _flatten(where, instance, dimensions, UNITS[len(dimensions)])
    for position, value in enumerate(flat):
        if type(value) not in kinds or value % 1 or not 0 <= value <= INK:
            indices = tuple(map(int, np.unravel_index(position, dimensions)))
            _refuse_pixel(pixel_name(where, indices), value)
    return np.array(flat).astype(np.uint8).tobytes()


def _dimensions(where: str, instance: Any, shape: Shape) -> tuple[int, ...]:
    """Return the dimensions of an instance, by its nesting depth."""
    rows, columns, channels = shape
    total = rows * columns * channels
    expected = f"{rows} rows of {columns}, or {total} numbers, are expected"
    if not isinstance(instance, list):
        hint = '; one image alone is still a list of one: {"instances": [image]}'
        raise BadInputError(
            f"{where} is {describe(instance)}; {expected}{hint}", code=ErrorCode.IMAGE_SIZE
        )
    if not instance:
        raise BadInputError(f"{where} is empty; {expected}", code=ErrorCode.IMAGE_SIZE)
    if not isinstance(instance[0], list):
        if len(instance) != total:
            hint = "; is this one image, not in a list?" if len(instance) == columns else ""
            raise BadInputError(
                f"{where} has {len(instance)} numbers; {expected}{hint}", code=ErrorCode.IMAGE_SIZE
            )
        return (total,)
    if channels == 1 and not (instance[0] and isinstance(instance[0][0], list)):
        return (rows, columns)
    return shape


def _flatten(
    where: str, value: Any, dimensions: tuple[int, ...], units: tuple[str, ...]
) -> list[Any]:
    """Return the numbers of a nested list, which must have these dimensions."""
    if not isinstance(value, list):
        expected = f"a list of {dimensions[0]} {units[0]}s"
        raise BadInputError(
            f"{where} is {describe(value)}; {expected} is expected", code=ErrorCode.IMAGE_SIZE
        )
    if len(value) != dimensions[0]:
        counted = f"{len(value)} {units[0]}s"
        raise BadInputError(
            f"{where} has {counted}; {dimensions[0]} are expected", code=ErrorCode.IMAGE_SIZE
        )
    if len(dimensions) == 1:
        return value
    flat = []
    for position, inner in enumerate(value):
        flat += _flatten(f"{where}, {units[0]} {position}", inner, dimensions[1:], units[1:])
    return flat


def _refuse_pixel(where: str, value: Any) -> NoReturn:
    if isinstance(value, int | float) and not isinstance(value, bool):
        refuse_number(where, value)
    raise BadInputError(f"{where} is {describe(value)}; {RANGE}", code=ErrorCode.IMAGE_PIXEL_RANGE)
