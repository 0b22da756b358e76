"""The media type of a body: by its Content-Type, or by its content."""

from __future__ import annotations

import re

from imaging.decoder import is_picture

JSON, NPY = "application/json", "application/x-npy"
PICTURE = "image/png"
"""Stands for all pictures, which are told apart by their content."""

_JSON_LIKE = re.compile(r"application/[^/\s]+\+json")
_GENERIC = frozenset(("", "*/*", "application/x-www-form-urlencoded"))
"""What curl and its like send where nobody has said what it is."""
_SPACE = b" \t\r\n"
_BEGINS_JSON = (b"{", b"[")
_NPY_MAGIC = b"\x93NUMPY"
_LONGEST_SPACE = 256


def usual_name(kind: str) -> str:
    """Return the canonical name of a media type."""
    if kind.startswith("image/"):
        return PICTURE
    return JSON if _JSON_LIKE.fullmatch(kind) else kind


def is_generic(kind: str) -> bool:
    """Check whether a media type is generic, so that the content decides."""
    return kind in _GENERIC


def kind_of(body: bytes) -> str | None:
    """Return the media type of a body by its first bytes; None if it is unknown."""
    if body.startswith(_NPY_MAGIC):
        return NPY
    if is_picture(body):
        return PICTURE
    return JSON if body[:_LONGEST_SPACE].lstrip(_SPACE).startswith(_BEGINS_JSON) else None
