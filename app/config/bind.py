"""Where the service listens, as `GLYPH_BIND` lists it: addresses of networks, and Unix sockets."""

from __future__ import annotations

import re
from typing import NamedTuple

_ADDRESS = re.compile(r"([^\s:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_LARGEST_PORT = 65535
_UNIX = "unix:"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - they are looked up
"""Every address of this machine -> the one that it reaches itself by."""


class Bind(NamedTuple):
    """One of them; it has a host and a port, or a path."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def authority(self) -> str:
        """The host and port that a program on this machine asks."""
        return f"{_WILDCARDS.get(self.host, self.host)}:{self.port}" if self.host else "localhost"


def parse_binds(text: str) -> tuple[Bind, ...]:
    """Read addresses that stand between commas.

    Raises:
        ValueError: If one of them is none, or stands twice; says what is expected.
    """
    binds = tuple(_parse(part.strip()) for part in text.split(","))
    for place, bind in enumerate(binds):
        if bind in binds[:place]:
            raise ValueError(f"{bind.text} stands twice; give each address once")
    return binds


def _parse(text: str) -> Bind:
    if text.startswith(f"{_UNIX}/"):
        return Bind(text, path=text.removeprefix(_UNIX))
    parts = _ADDRESS.fullmatch(text)
    if parts is None or int(parts[2]) > _LARGEST_PORT:
        raise ValueError(
            "host:port is expected, such as 127.0.0.1:8000 or [::]:8000, or unix:/path; "
            "several with commas"
        )
    return Bind(text, host=parts[1], port=int(parts[2]))
