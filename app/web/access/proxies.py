"""Who a request comes from when a proxy hands it on: what the proxy says, if it is a known one."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from app.access.networks import Network

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]+)?")
_SCHEMES = ("http", "https")

Environ = dict[str, Any]


class Proxied:
    """WSGI middleware: puts the client's own address and scheme into the environment."""

    def __init__(self, application: WSGIApplication, proxies: tuple[Network, ...]) -> None:
        """Wrap an application.

        Args:
            application: What is behind the proxies.
            proxies: Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed.
        """
        self._application = application
        self._is_proxy = lru_cache(maxsize=1024)(lambda address: _is_in(address, proxies))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._is_proxy(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)
        return self._application(environ, start_response)

    def _believe(self, environ: Environ) -> None:
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        # Each proxy adds whom it heard from at the end; what stands before that is hearsay.
        for text in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = _address(text.strip())
            if address is None:
                return
            environ["REMOTE_ADDR"] = address
            environ.pop("REMOTE_PORT", None)
            if not self._is_proxy(address):
                return


def _address(text: str) -> str | None:
    """Give an address without the port that some proxies add; None where it is none."""
    found = _WITH_PORT.fullmatch(text)
    bare = (found["v6"] or found["v4"]) if found else text
    try:
        return str(ip_address(bare))
    except ValueError:
        return None


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
