"""Reads picture files from a BYTES tensor: base64 in JSON, else each after its length."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from app.web.api.open_inference.tensors import INPUT
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.inputs.json_base64 import from_base64
from app.web.inputs.pixels import check_count

if TYPE_CHECKING:
    from app.web.api.open_inference.tensors import Tensor

FILES = "BYTES"
"""The datatype of a tensor whose elements are files of pictures."""
LENGTH = struct.Struct("<I")
"""Before each element of BYTES behind the JSON: how many bytes it has."""


def read_files(tensor: Tensor, max_images: int) -> list[bytes]:
    """Read the files of a tensor.

    Args:
        tensor: One of shape (n) or (n, 1).
        max_images: Bound on the pictures.

    Raises:
        BadInputError: If anything is wrong with it; says where.
        TooLargeError: If there are too many pictures.
    """
    shape = tensor.shape or ()
    if not shape or shape[0] < 1 or shape[1:] not in {(), (1,)}:
        found = f"input {INPUT} has the shape {list(shape)}"
        raise BadInputError(f"{found}; [n] or [n, 1] is expected of {FILES}, n at least 1")
    count = shape[0]
    check_count(count, max_images)
    if isinstance(tensor.data, memoryview):
        return _cut(tensor.data, count)
    if len(tensor.data) != count:
        found = f"input {INPUT} has {len(tensor.data)} pictures"
        raise BadInputError(f"{found}; {count} are expected for shape {list(shape)}")
    return [_decode(place, element) for place, element in enumerate(tensor.data)]


def name_of(place: int) -> str:
    """Name a picture in a sentence."""
    return f"input {INPUT}, picture {place}"


def _cut(data: memoryview, count: int) -> list[bytes]:
    files = []
    start = 0
    for place in range(count):
        content = start + LENGTH.size
        stop = content + LENGTH.unpack_from(data, start)[0] if content <= len(data) else content
        if stop > len(data):
            raise BadInputError(
                f"{name_of(place)} ends after the {len(data)} bytes of its tensor; "
                "4 bytes of its length and then as many are expected",
                code=ErrorCode.IMAGE_UNREADABLE,
            )
        files.append(bytes(data[content:stop]))
        start = stop
    if start < len(data):
        raise BadInputError(
            f"{len(data) - start} bytes follow the last picture of input {INPUT}",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    return files


def _decode(place: int, element: Any) -> bytes:
    if isinstance(element, list) and len(element) == 1:  # nested, of shape (n, 1)
        element = element[0]
    if not isinstance(element, str):
        raise BadInputError(
            f"{name_of(place)} is no string; the base64 of its file is expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    return from_base64(name_of(place), element)
