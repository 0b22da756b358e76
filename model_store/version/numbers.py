"""Which numbers a version can have: what is published under one is listed under it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from model_store.base.errors import VersionLimitError

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_VERSION = 10**18 - 1
"""Eighteen digits, so that dates can be numbers, and whatever counts in 64 bits can read them."""

_VERSION = re.compile("[1-9][0-9]{0,17}")


def parse_version(name: str) -> int | None:
    """Return the number that the name of a directory is; None where it is none.

    There is one name for a number: no leading zeros, and no digits but the ASCII ones.
    """
    return int(name) if _VERSION.fullmatch(name) else None


def next_version(model: str, taken: Collection[int]) -> int:
    """Return the number after the greatest one that is taken.

    Raises:
        VersionLimitError: If there is none.
    """
    number = max(taken, default=0) + 1
    if number > MAX_VERSION:
        raise VersionLimitError(
            f"{model} has a version {MAX_VERSION}, and no number is greater; remove it, or publish "
            "under the name of another model"
        )
    return number
