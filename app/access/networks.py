"""Addresses and networks, as settings list them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks that stand between commas.

    Raises:
        ValueError: If one of them is neither; says what is expected.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as exc:
        raise ValueError(
            f"{exc}; addresses and networks are expected, such as 10.0.0.7,192.168.0.0/16"
        ) from exc
