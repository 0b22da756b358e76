"""Rate limits, as settings and key files write them: `100/minute`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_RATE = re.compile("[1-9][0-9]{0,8}/(second|minute|hour|day)")


def check_rate(text: str) -> str:
    """Return a rate unchanged if it is valid.

    Raises:
        ValueError: If it is none; says what is expected.
    """
    if not _RATE.fullmatch(text):
        raise ValueError(
            "a number of requests per second, minute, hour or day is expected, such as 100/minute"
        )
    return text


Rate = Annotated[str, AfterValidator(check_rate)]
