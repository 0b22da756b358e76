"""Parses JSON of any size into Python's objects, in one go, and describes what is wrong with it."""

from __future__ import annotations

import gc
import re
import threading
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from json import JSONDecodeError

_NOT_JSON_NUMBER = re.compile("-?(NaN|Infinity)")
_QUOTE_LENGTH = 40
_collector = threading.Lock()
"""Held by the thread that has turned it off; as long as one parses, the others could not run."""


def parse_json(text: bytes | memoryview | str) -> Any:
    """Parse JSON.

    Raises:
        orjson.JSONDecodeError: If it is malformed.
    """
    with _collector:
        collecting = gc.isenabled()
        gc.disable()  # JSON has no cycles, and to look for them takes longer than all the rest
        try:
            return orjson.loads(text)
        finally:
            if collecting:
                gc.enable()


def describe_fault(exc: JSONDecodeError) -> str:
    """Return what is wrong with JSON, and where."""
    return f"not valid JSON: {exc.msg} (line {exc.lineno}, column {exc.colno})"


def find_nonfinite(exc: orjson.JSONDecodeError) -> re.Match[str] | None:
    """Return the NaN or Infinity that orjson stopped at; None where the fault is another."""
    start = exc.pos - 1 if exc.msg.startswith("no digit") else exc.pos
    return _NOT_JSON_NUMBER.match(exc.doc, start)


def describe(value: Any) -> str:
    """Describe a value of JSON for a sentence about what was found."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the string {shorten(value)!r}"
    if isinstance(value, int | float):
        return f"the number {shorten(repr(value))}"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"


def describe_keys(document: dict[str, Any]) -> str:
    """Return the first keys of an object."""
    return ", ".join(map(shorten, sorted(document)[:5])) or "none"


def shorten(text: str) -> str:
    """Cut a text of the caller's, so that a sentence stays readable."""
    return text if len(text) <= _QUOTE_LENGTH else f"{text[:_QUOTE_LENGTH]}…"
