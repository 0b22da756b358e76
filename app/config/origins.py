"""Origins of pages that may use the service, as settings list them."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

ANY = "*"
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[([0-9a-f:.]+)\])(:([0-9]{1,5}))?")
_GREATEST_PORT = 65_535


def parse_origins(text: str) -> frozenset[str]:
    """Read origins that stand between commas, or `*` for all there are.

    Raises:
        ValueError: If one of them is none; says what is expected.
    """
    origins = frozenset(part.strip().lower() for part in text.split(","))
    for origin in sorted(origins - {ANY}):
        if not _is_origin(origin):
            raise ValueError(
                f"{origin!r} is no origin; * or origins are expected, such as "
                "https://app.example,http://127.0.0.1:8080"
            )
    if ANY in origins and len(origins) > 1:
        raise ValueError("* is every origin; name it alone")
    return origins


def _is_origin(text: str) -> bool:
    found = _ORIGIN.fullmatch(text)
    if found is None or int(found[4] or 0) > _GREATEST_PORT:
        return False
    try:
        return found[2] is None or bool(IPv6Address(found[2]))
    except ValueError:
        return False
