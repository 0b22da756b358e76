"""Whole numbers in JSON, which writes 2.0 and 2 for the same one."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""For integers in strict models, behind their bounds: no text, boolean or fraction becomes one."""
