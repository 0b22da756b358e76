"""Addresses and networks, as settings list them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

from app.config.peer_address import UNIX_PEER, plain_address

Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
_IPV4_BITS = 0xFFFFFFFF


class Networks:
    """A set of addresses, in which Unix sockets may be as well."""

    def __init__(self, networks: tuple[Network, ...], *, unix: bool) -> None:
        self._networks = networks
        self._unix = unix

    def __contains__(self, address: str) -> bool:
        """Check whether an address is one of these, however it is written."""
        if address == UNIX_PEER:
            return self._unix
        try:
            found = ip_address(plain_address(address))
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def parse_networks(text: str) -> Networks:
    """Read addresses and networks that stand between commas; `unix:` is every Unix socket.

    Raises:
        ValueError: If one of them is none of these; says what is expected.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        networks = tuple(_plain(ip_network(part)) for part in parts if part != UNIX_PEER)
    except ValueError as exc:
        raise ValueError(
            f"{exc}; addresses and networks are expected, such as 10.0.0.7,192.168.0.0/16, "
            f"or {UNIX_PEER} for Unix sockets"
        ) from exc
    return Networks(networks, unix=UNIX_PEER in parts)


def _plain(network: Network) -> Network:
    """Return the IPv4 network that an IPv6 network of mapped addresses stands for."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = IPv4Address(int(network.network_address) & _IPV4_BITS)
        return IPv4Network((address, network.prefixlen - _MAPPED.prefixlen))
    return network
