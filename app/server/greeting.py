"""What people are told who start the service on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.config.bind import Bind


def greeting(binds: tuple[Bind, ...], *, tls: bool) -> str:
    """Return where the service listens, and a command that asks it there."""
    first = binds[0]
    scheme = "https" if tls else "http"
    address = f"{scheme}://{first.authority}"
    curl = f"curl -s --unix-socket {first.path}" if first.path else "curl -s"
    others = "".join(f", {bind.text}" for bind in binds[1:])
    return (
        f"\nGlyph listens on {first.text if first.path else address}{others}\n\n"
        f"  {curl} {address}/example |\n"
        f"    {curl} -H 'Content-Type: application/json' --data-binary @- {address}/predict\n\n"
        "Ctrl-C ends it.\n"
    )
