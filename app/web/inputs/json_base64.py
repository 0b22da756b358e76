"""Takes instances of JSON that are base64: `{"b64": "..."}`, a picture's file or raw pixels."""

from __future__ import annotations

import binascii
from typing import Any

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from app.web.http.json_parsing import describe, describe_keys

KEY = "b64"
_DATA_URL = "data:"
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def decode_base64(where: str, instance: dict[str, Any]) -> bytes:
    """Decode one instance.

    Args:
        where: Names it.
        instance: An object with the key "b64" and no other.

    Raises:
        BadInputError: If it is anything else, or not base64 to the letter (RFC 4648, section 4).
    """
    text = instance.get(KEY)
    if text is None or len(instance) > 1:
        found = f"{where} is an object with the keys {describe_keys(instance)}"
        raise BadInputError(
            f'{found}; an object has the one key "{KEY}"', code=ErrorCode.IMAGE_UNREADABLE
        )
    if not isinstance(text, str):
        raise BadInputError(
            f"{where}, {KEY} is {describe(text)}; a string of base64 is expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    if text.startswith(_DATA_URL):
        raise BadInputError(
            f"{where}, {KEY} is a data URL; what follows its comma is expected",
            code=ErrorCode.IMAGE_UNREADABLE,
        )
    return from_base64(f"{where}, {KEY}", text)


def from_base64(where: str, text: str) -> bytes:
    """Decode base64.

    Raises:
        BadInputError: If it is not base64 to the letter (RFC 4648, section 4).
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:
        reason = str(exc).partition(":")[0].lower()
        raise BadInputError(
            f"{where} is not base64: {reason}", code=ErrorCode.IMAGE_UNREADABLE
        ) from None


def is_raw(content: bytes, size: int) -> bool:
    """Return whether content is raw pixels; a picture's file may have the same length.

    Args:
        content: The decoded base64.
        size: Bytes of one image.
    """
    if len(content) != size or content.startswith(_SIGNATURES):
        return False
    of_webp = content.startswith(b"RIFF") and content[8:12] == b"WEBP"
    of_bmp = content.startswith(b"BM") and content[2:6] == size.to_bytes(4, "little")
    return not (of_webp or of_bmp)
