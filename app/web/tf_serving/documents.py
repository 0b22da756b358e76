"""Reads JSON as TensorFlow Serving's parser does, and tells what is wrong with it as that does.

It takes NaN and Infinity, and stops at the end of the document, whatever follows. Python's own
parser does both; its complaints are translated, and its positions turned into bytes.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any, NoReturn

import orjson

from app.web.encodings.json_parsing import parse_json
from app.web.tf_serving.errors import InvalidArgumentError

_DECODER = json.JSONDecoder(strict=True)
_ENCODER = json.JSONEncoder(indent=4, ensure_ascii=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_TOO_BIG = "Number too big to be stored in double."
_DIGITS = re.compile("[0-9]+")
_MOST_DIGITS = 4300
"""Of an integer that Python reads."""
_QUOTED_BYTES = 256
_LARGE = 256 * 1024
"""Bodies of more bytes are read by the quick parser alone: every fault is an invalid value."""
_BEGUN = re.compile(r"(?:n(?:ul?)?|t(?:ru?)?|f(?:a(?:ls?)?)?|Na?|-?(?:In?f?)?)?")
"""What of a literal is read before the fault in it."""
_ENDS_EARLY = {".": "Miss fraction part in number.", "e": "Miss exponent in number."}
_COMPLAINTS = {
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
"""Python's complaint -> the one that is made there."""
_TYPES: dict[type, str] = {dict: "Object", list: "Array", str: "String", int: "Number"}


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse the object that every request is.

    Raises:
        InvalidArgumentError: If it is malformed; says at which byte.
    """
    if not body:
        raise InvalidArgumentError("JSON Parse error: The document is empty")
    document = _parse(body)
    if not isinstance(document, dict):
        raise InvalidArgumentError(f"JSON Value: {quote(document)} Is not object")
    return document


def _parse(body: bytes) -> Any:
    try:
        return parse_json(body)
    except orjson.JSONDecodeError as exc:
        if "infinity" in exc.msg:
            _refuse(_TOO_BIG, exc.doc, exc.pos)
        if "depth limit" in exc.msg:
            raise InvalidArgumentError("JSON Parse error: nested too deep") from None
        if exc.msg.startswith("unexpected content after document"):
            return parse_json(exc.doc[: exc.pos])
        if len(body) > _LARGE:  # Python's own parser takes its time
            _refuse("Invalid value.", exc.doc, exc.pos)
        return _parse_slowly(body)


def quote(value: Any) -> str:
    """Write a value for an error message, over several lines, of which 256 bytes are kept."""
    text = ""
    for chunk in _ENCODER.iterencode(value):  # lazy: most of a large document is never written
        text += chunk[:_QUOTED_BYTES]
        if len(text) >= _QUOTED_BYTES:
            break
    return text.encode(errors="replace")[:_QUOTED_BYTES].decode(errors="ignore")


def type_name(value: Any) -> str:
    """Name the kind of JSON that a value was, as error messages do."""
    if value is None or isinstance(value, bool):
        return "Null" if value is None else str(value)
    return _TYPES.get(type(value), "Number")


def _parse_slowly(body: bytes) -> Any:
    text = body.decode(errors="surrogateescape").removeprefix("\ufeff")
    start = _end(_SPACE, text)
    if start == len(text):
        _refuse("The document is empty.", text, start)
    try:
        document, _ = _DECODER.raw_decode(text, start)
    except JSONDecodeError as exc:
        _refuse(*_translate(exc, text, start))
    except RecursionError:
        raise InvalidArgumentError("JSON Parse error: nested too deep") from None
    except ValueError:  # an integer of thousands of digits
        numbers = _DIGITS.finditer(text, start)
        long = next(number for number in numbers if len(number.group()) > _MOST_DIGITS)
        _refuse(_TOO_BIG, text, long.start())
    return document


def _translate(exc: JSONDecodeError, text: str, start: int) -> tuple[str, str, int]:
    """Give the complaint that is made there, the text, and the place of the fault in it."""
    what, position = exc.msg.partition(":")[0] if "\\" in exc.msg else exc.msg, exc.pos
    if what.startswith("Illegal trailing comma"):  # newer Pythons point at the comma
        position = _end(_SPACE, text, position + 1)
    elif what.startswith("Unterminated"):
        position = len(text)
    elif "escape" in what:
        position = text.rfind("\\", 0, position + 1)
    elif what == "Expecting ',' delimiter":
        broken = _ENDS_EARLY.get(text[position : position + 1].lower())
        if broken is not None and text[position - 1].isdecimal():
            return broken, text, position + 1
        missing = "] after an array element" if _in_array(text, start, position) else ""
        return f"Missing a comma or {missing or '} after an object member'}.", text, position
    if what not in _COMPLAINTS:
        return "Invalid value.", text, _end(_BEGUN, text, position)
    return _COMPLAINTS[what], text, position


def _end(pattern: re.Pattern[str], text: str, position: int = 0) -> int:
    """Give where what is matched at a place ends, be it nothing."""
    found = pattern.match(text, position)
    return found.end() if found is not None else position


def _in_array(text: str, start: int, position: int) -> bool:
    """Tell whether what is open at a place is an array: whether it can be closed as one."""
    try:
        _DECODER.raw_decode(f"{text[:position]}]", start)
    except JSONDecodeError as exc:
        return exc.pos > position
    return True


def _refuse(what: str, text: str, position: int) -> NoReturn:
    offset = len(text[:position].encode(errors="surrogateescape"))
    raise InvalidArgumentError(f"JSON Parse error: {what} at offset: {offset}")
