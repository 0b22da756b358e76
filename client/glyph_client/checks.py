"""Checks what JSON holds. Each raises TypeError, ValueError or OverflowError."""

from __future__ import annotations

import math
from typing import Any


def typed(value: Any, *kinds: type) -> Any:
    """Return a value that has one of the types; a bool is no int."""
    if type(value) not in kinds:
        raise TypeError(f"{type(value).__name__} in place of {kinds[0].__name__}")
    return value


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings of a list."""
    return tuple(typed(one, str) for one in typed(value, list))


def whole_numbers(value: Any) -> tuple[int, ...]:
    """Return the whole numbers of a list."""
    return tuple(typed(one, int) for one in typed(value, list))


def number(value: Any) -> float:
    """Return a finite number."""
    found = float(typed(value, float, int))
    if not math.isfinite(found):
        raise ValueError("an infinite number")
    return found
