"""Parses JSON of any size into Python's objects, in one go."""

from __future__ import annotations

import gc
import threading
from typing import Any

import orjson

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
