"""Checks of values from JSON. Each raises TypeError, ValueError or OverflowError."""

from __future__ import annotations

import math
from typing import Any


def expect_type(value: Any, *kinds: type) -> Any:
    """Return the value if it has one of the types; a bool is no int."""
    if type(value) not in kinds:
        raise TypeError(f"{type(value).__name__} in place of {kinds[0].__name__}")
    return value


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings of a list."""
    return tuple(expect_type(one, str) for one in expect_type(value, list))


def integers(value: Any) -> tuple[int, ...]:
    """Return the integers of a list."""
    return tuple(expect_type(one, int) for one in expect_type(value, list))


def finite(value: Any) -> float:
    """Return a finite number."""
    found = float(expect_type(value, float, int))
    if not math.isfinite(found):
        raise ValueError("an infinite number")
    return found
