"""How the address of a peer is written: one spelling for one peer, whatever socket it came over."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

UNIX_PEER = "unix:"
"""Stands for every program that connects over a Unix socket, which has no address of its own."""


@lru_cache(maxsize=4096)
def plain_address(address: str) -> str:
    """Return an address as it is usually written: IPv4 over an IPv6 socket is IPv4.

    What is no address is returned as it is.
    """
    if ":" not in address:
        return address
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


def peer_of(accepted: Any) -> Any:
    """Return what `accept` gave for a peer, with its address in the usual spelling.

    Args:
        accepted: Address and port, and for IPv6 more; empty for a Unix socket.

    Returns:
        A tuple in any case: gunicorn believes a peer of any other type whatever it says of itself.
    """
    if isinstance(accepted, tuple):
        return (plain_address(accepted[0]), *accepted[1:])
    return (UNIX_PEER, 0)
