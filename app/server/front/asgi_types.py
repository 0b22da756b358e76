"""Names for what ASGI passes around (https://asgi.readthedocs.io, version 3.0)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RECEIVED = "glyph.received"
"""Key in a scope, of the `Received` of its request."""


@dataclass(slots=True)
class Received:
    """Facts of the connection beyond a request's scope."""

    body: bytes | None = None
    """All of it, where it is here already."""
    trouble: str = ""
    """Why the rest of the body will not come."""
    surplus: bool = False
    """The worker has more connections than it serves at once."""
    draining: bool = False
    """The worker shuts down."""
