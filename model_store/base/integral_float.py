"""Whole numbers in JSON, which writes 2.0 and 2 for the same one."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator

_EXACT = 2.0**53
"""Beyond, every float is whole, and stands for many numbers that may have been written."""


def _to_int(value: Any) -> Any:
    whole = isinstance(value, float) and abs(value) <= _EXACT and value.is_integer()
    return int(value) if whole else value


INTEGRAL_FLOAT = BeforeValidator(_to_int)
"""For integers in strict models, behind their bounds: no text, boolean or fraction becomes one."""
