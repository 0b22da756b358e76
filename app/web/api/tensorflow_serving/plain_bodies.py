"""The fast path for common bodies: images of whole numbers, with the input's name or without.

A body with names is taken apart at the words around its images, and what stands between them must
be an image each. Whatever else it may be is left to the parser that tells what is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.web.api.tensorflow_serving.tensors import INPUT, SIGNATURE
from app.web.inputs.json_fast_path import read_plain

if TYPE_CHECKING:
    from app.ipc.status import Shape

_SPACED = str.maketrans({" ": r"[ \t\r\n]*"})


def _pattern(words: str) -> re.Pattern[bytes]:
    """Compile JSON in which a space stands for any space there may be."""
    return re.compile(words.translate(_SPACED).encode())


_START = f' {{ ("signature_name" : "(?:{SIGNATURE})?" , )?'
_ROWS = _pattern(_START + '"(instances|inputs)" :')
_NAMED_ROWS = _pattern(_START + rf'"instances" : \[ {{ "{INPUT}" :')
_BETWEEN_ROWS = _pattern(rf'}} , {{ "{INPUT}" :')
_AFTER_ROWS = _pattern(r"} \] } \Z")
_NAMED_COLUMN = _pattern(_START + rf'"inputs" : {{ "{INPUT}" :')
_AFTER_COLUMN = _pattern(r"} } \Z")


def read_plain_body(body: bytes, shape: Shape, max_images: int) -> tuple[str, int, bytes] | None:
    """Decode a body; return None if it needs the full parser.

    Args:
        body: `{"signature_name": ..., "instances": [...]}`, or with `inputs`.
        shape: Rows, columns and channels that the model takes.
        max_images: Bound on the images.

    Returns:
        The key that the images stand at, `instances` or `inputs`, their number, and their uint8
        pixels, row-major, image after image.
    """
    if named := _between(_NAMED_ROWS, body, _AFTER_ROWS):
        images = _read_rows(_BETWEEN_ROWS.split(named), shape, max_images)
        return None if images is None else ("instances", *images)
    if column := _between(_NAMED_COLUMN, body, _AFTER_COLUMN):
        read = read_plain(b'{"inputs":%b}' % column, shape, max_images, "inputs")
        return None if read is None else ("inputs", *read)
    if rows := _ROWS.match(body):
        signature, key = rows.groups()
        plain = b'{"%b":%b' % (key, body[rows.end() :]) if signature else body
        read = read_plain(plain, shape, max_images, key.decode())
        return None if read is None else (key.decode(), *read)
    return None


def _between(start: re.Pattern[bytes], body: bytes, end: re.Pattern[bytes]) -> bytes | None:
    begun = start.match(body)
    ended = begun and end.search(body, begun.end())
    return body[begun.end() : ended.start()] if begun and ended else None


def _read_rows(rows: list[bytes], shape: Shape, max_images: int) -> tuple[int, bytes] | None:
    """Read rows of one image each, all nested alike."""
    if len(rows) > max_images or len({row.count(b"[") for row in rows}) > 1:
        return None
    pixels: list[bytes] = []
    for row in rows:
        read = read_plain(b'{"instances":[%b]}' % row, shape, 1)
        if read is None:
            return None
        pixels.append(read[1])
    return len(rows), b"".join(pixels)
