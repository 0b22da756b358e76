"""The client of a request behind a trusted proxy, by the proxy's X-Forwarded headers."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from app.config.peer_address import UNIX_PEER, plain_address

if TYPE_CHECKING:
    from app.config.networks import Networks

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]+)?")
_SCHEMES = ("http", "https")
_PREFIX = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+")
_LONGEST_PREFIX = 256

Environ = dict[str, Any]


class Proxied:
    """Sets the client's address, its scheme and the path prefix in the environment."""

    def __init__(self, proxies: Networks) -> None:
        """Trust proxies.

        Args:
            proxies: Addresses whose X-Forwarded-For, -Proto and -Prefix are trusted.
        """
        self._is_proxy = lru_cache(maxsize=1024)(proxies.__contains__)

    def enter(self, environ: Environ) -> None:
        """Read the X-Forwarded headers of a trusted proxy."""
        if self._is_proxy(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)

    def headers(self, _environ: Environ) -> list[tuple[str, str]]:
        """Return no headers."""
        return []

    def _believe(self, environ: Environ) -> None:
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        # The path is never cut by it: a proxy that hands on what clients say in this header would
        # then let them pass by rules that it has for paths.
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").rpartition(",")[2].strip().rstrip("/")
        if len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix
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
    """Return an address without the port that some proxies add; None where it is none."""
    if text == UNIX_PEER:
        return text
    found = _WITH_PORT.fullmatch(text)
    bare = (found["v6"] or found["v4"]) if found else text
    try:
        return plain_address(str(ip_address(bare)))
    except ValueError:
        return None
