"""Who counts as one client, by address."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_SITE_BITS = 64
"""Of an IPv6 address: whoever has one has the 2**64 beside it as well."""


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Name whoever has an address, for the limit."""
    if ":" in address:
        try:
            network = ipaddress.ip_network((address, _SITE_BITS), strict=False)
        except ValueError:
            return address
        return str(network)
    return address
