"""The identity of a client, by address."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network

from app.config.peer_address import plain_address

_SITE_BITS = 64
"""Of an IPv6 address: a client that has one has the 2**64 beside it as well."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 callers, as a translator shows them to an IPv6 network (RFC 6052)."""
_IPV4_BITS = 0xFFFFFFFF


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Return the name of a client, for the limit: its IPv4 address, or its IPv6 site."""
    address = plain_address(address)
    if ":" not in address:
        return address
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found in _TRANSLATED:
        return str(IPv4Address(int(found) & _IPV4_BITS))
    if found.is_link_local or found.is_loopback:  # its network is everybody's on the same link
        return address
    return str(ip_network((address, _SITE_BITS), strict=False))
