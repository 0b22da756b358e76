"""Parses the body of a request, with the deviations from JSON that TensorFlow Serving accepts.

NaN, Infinity, a byte order mark, text that is not quite UTF-8, and anything behind the document.
"""

from __future__ import annotations

import json
from json import JSONDecodeError
from typing import Any

import orjson

from app.web.api.tensorflow_serving.errors import InvalidArgumentError
from app.web.http.json_parsing import describe, describe_fault, find_nonfinite, parse_json

_DECODER = json.JSONDecoder(strict=True)
_SPACE = " \t\r\n"
_LARGE = 256 * 1024
"""Bodies of more bytes are not parsed by Python's own parser, which takes its time."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse the object that every request is.

    Raises:
        InvalidArgumentError: If it is malformed; says where.
    """
    try:
        document = _parse(body)
    except JSONDecodeError as exc:
        raise InvalidArgumentError(f"the body is {describe_fault(exc)}") from None
    if not isinstance(document, dict):
        raise InvalidArgumentError(f"the body is {describe(document)}; an object is expected")
    return document


def _parse(body: bytes) -> Any:
    try:
        return parse_json(body)
    except orjson.JSONDecodeError as exc:
        if exc.msg.startswith("unexpected content after document"):
            return parse_json(exc.doc[: exc.pos])
        if len(body) > _LARGE or not _is_taken(exc):
            raise
    return _parse_leniently(body.decode(errors="surrogateescape").removeprefix("\ufeff"))


def _is_taken(exc: orjson.JSONDecodeError) -> bool:
    """Check whether orjson stopped at a deviation that is accepted here."""
    return bool(find_nonfinite(exc)) or "UTF-8" in exc.msg or "surrogate" in exc.msg


def _parse_leniently(text: str) -> Any:
    try:
        return _DECODER.raw_decode(text, len(text) - len(text.lstrip(_SPACE)))[0]
    except JSONDecodeError:
        raise
    except RecursionError:
        raise InvalidArgumentError("the body is nested too deep; an image has 3 levels") from None
    except ValueError:  # Python's bound on the digits of an integer
        raise InvalidArgumentError("the body has a number of thousands of digits") from None
