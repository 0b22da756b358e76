"""What people and logs are told when the service is ready, and when it has ended."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.config.bind import Bind

log = logging.getLogger(__name__)


class Announcement:
    """Announces once that the service is ready, by the first of its web workers that knows it."""

    def __init__(self, binds: tuple[Bind, ...], *, tls: bool) -> None:
        """Create it in the master, so that all of its web workers share it.

        Args:
            binds: Where the service listens.
            tls: Whether it speaks TLS there.
        """
        self._binds = binds
        self._tls = tls
        self._token, write = os.pipe()  # the process that reads its only byte announces
        os.set_blocking(self._token, False)
        os.write(write, b"1")
        os.close(write)

    def ready(self) -> None:
        """Announce that the service is ready, unless another process has."""
        if os.read(self._token, 1) == b"":
            return
        if sys.stdout.isatty():
            print(greeting(self._binds, tls=self._tls), flush=True)  # noqa: T201
        else:
            log.info("ready at %s", addresses(self._binds, tls=self._tls))

    def starting(self) -> None:
        """Print on a terminal that the service starts."""
        if sys.stdout.isatty():
            where = addresses(self._binds, tls=self._tls)
            print(f"Glyph is starting at {where} ...", flush=True)  # noqa: T201

    def ended(self) -> None:
        """Log that the service has ended."""
        log.info("ended at %s", addresses(self._binds, tls=self._tls))


def addresses(binds: tuple[Bind, ...], *, tls: bool) -> str:
    """Return where the service listens; first the address that a program here asks."""
    first = binds[0]
    others = "".join(f", {bind.text}" for bind in binds[1:])
    return f"{first.text if first.path else _url(first, tls=tls)}{others}"


def greeting(binds: tuple[Bind, ...], *, tls: bool) -> str:
    """Return where the service listens, its page and docs, and a command that asks it."""
    first = binds[0]
    url = _url(first, tls=tls)
    curl = f"curl -s --unix-socket {first.path}" if first.path else "curl -s"
    pages = "" if first.path else f"  Page  {url}/\n  Docs  {url}/docs\n"
    return (
        f"\nGlyph is ready at {addresses(binds, tls=tls)}\n\n"
        f"{pages}"
        f"  Try   {curl} {url}/example |\n"
        f"          {curl} -H 'Content-Type: application/json' --data-binary @- {url}/predict\n\n"
        "Ctrl-C ends it.\n"
    )


def _url(bind: Bind, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{bind.authority}"
