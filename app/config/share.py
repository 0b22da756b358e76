"""A share of a model's traffic, as settings write it: `label=percent` or `label=percent:Header`."""

from __future__ import annotations

import re
from typing import NamedTuple

_SHARE = re.compile(
    r"(?P<label>[A-Za-z0-9_-]{1,64})=(?P<percent>[0-9]{1,3}(\.[0-9]{1,9})?)"
    r"(:(?P<header>[A-Za-z0-9-]{1,64}))?"
)
_WHOLE = 100


class Share(NamedTuple):
    """A label and its percentage."""

    label: str
    percent: float
    """More than 0, and at most 100."""
    sticky_header: str | None
    """Callers that send the same value of it stay on one side."""


def parse_share(text: str) -> Share:
    """Read a share.

    Raises:
        ValueError: If it is none; says what is expected.
    """
    found = _SHARE.fullmatch(text)
    if found is None or not 0 < float(found["percent"]) <= _WHOLE:
        raise ValueError(
            "label=percent or label=percent:Header-Name is expected, with more than 0 and at most "
            "100 percent, such as canary=10:X-User"
        )
    return Share(found["label"], float(found["percent"]), found["header"])


def parse_shadow(text: str) -> Share:
    """Read a share of requests that run again; no header takes part in that.

    Raises:
        ValueError: If it is none; says what is expected.
    """
    try:
        share = parse_share(text)
    except ValueError:
        share = None
    if share is None or share.sticky_header:
        raise ValueError(
            "label=percent is expected, with more than 0 and at most 100 percent, such as next=10"
        )
    return share
