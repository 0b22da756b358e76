"""Takes a picture's file apart, and keeps what its pixels are decoded from.

Decoders would go through all the rest in Python, inflate it and warn of it, chunk by chunk; nobody
needs it but for the way that the camera was held.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from imaging.errors import MalformedPictureError

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_SEGMENTS = 1024
"""Of a JPEG; and chunks of a PNG that is small, for large ones have one for some kilobytes each."""
_BYTES_PER_CHUNK = 1024
_PNG_HEAD, _CHUNK_FRAME = 8, 12
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # restarts are part of a scan
_ALONE = (0x01, 0xD8)
"""Markers without a length, which have no place behind the first."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_EXIF_SEGMENT, _EXIF = 0xE1, b"Exif\0\0"
_LEFT_OUT = {0xFE, *range(0xE1, 0xF0)} - {0xEE}
"""Comments, and what applications add, but for Adobe's note on colours."""

_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_ORIENTATIONS = range(1, 9)
_MOST_ENTRIES = 512


class Contents(NamedTuple):
    """What a file is decoded from."""

    body: bytes
    """A file of the same kind."""
    exif: bytes = b""
    scans: int = 1
    """How often a JPEG goes over its pixels."""
    frames: int = 1


def contents_of_jpeg(body: bytes) -> Contents:
    """Leave out comments, thumbnails, profiles and the like, and what follows the picture.

    Raises:
        MalformedPictureError: If it has more segments than a picture has use for, or no sense.
    """
    kept, exif = [body[:2]], b""
    scans, position = 0, 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(body, position)
        if found is None:
            kept.append(body[position:] if scans else b"")  # cut off, as the decoder finds
            return Contents(b"".join(kept), exif, scans)
        marker, start = body[found.end() - 1], found.end()
        if marker in _ALONE:
            raise MalformedPictureError("the JPEG picture is damaged or cut off")
        if scans:
            kept.append(body[position : found.start()])  # of the scan before
        if marker == _END_OF_IMAGE:
            return Contents(b"".join((*kept, found[0])), exif, scans)
        scans += marker == _START_OF_SCAN
        position = start + max(2, int.from_bytes(body[start : start + 2]))
        if marker not in _LEFT_OUT:
            kept.append(body[found.start() : position])
        elif marker == _EXIF_SEGMENT and body.startswith(_EXIF, start + 2):
            exif = exif or body[start + 2 : position]
    raise MalformedPictureError(f"the JPEG picture has more than {_MOST_SEGMENTS} segments")


def contents_of_png(body: bytes) -> Contents:
    """Leave out texts, profiles, further frames and the like.

    Raises:
        MalformedPictureError: If it has more chunks than a picture has use for.
    """
    kept, exif, frames = [body[:_PNG_HEAD]], b"", 1
    position = _PNG_HEAD
    most = _MOST_SEGMENTS + len(body) // _BYTES_PER_CHUNK
    for _ in range(most):
        kind = body[position + 4 : position + 8]
        end = position + _CHUNK_FRAME + int.from_bytes(body[position : position + 4])
        if kind in _PNG_KEPT:
            kept.append(body[position:end])
        elif kind == b"acTL":
            frames = int.from_bytes(body[position + 8 : position + 12])
        elif kind == b"eXIf":
            exif = body[position + 8 : end]
        position = end
        if kind == b"IEND" or position >= len(body):
            return Contents(b"".join(kept), exif, frames=frames)
    raise MalformedPictureError(f"the PNG picture has more than {most} chunks")


def orientation(exif: bytes) -> int:
    """Return the orientation of the camera, from 1 to 8; by default 1, upright."""
    tiff = exif.removeprefix(_EXIF)
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    start = number(4, 4)
    for entry in range(min(number(start, 2), _MOST_ENTRIES)):
        at = start + 2 + 12 * entry
        if number(at, 2) == _ORIENTATION:
            value = number(at + 8, 2)
            return value if value in _ORIENTATIONS else 1
    return 1


TAKEN_APART: dict[str, Callable[[bytes], Contents]] = {
    "JPEG": contents_of_jpeg,
    "PNG": contents_of_png,
}
"""By the names that Pillow gives them; files of other kinds have little else in them."""
