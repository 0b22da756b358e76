"""How long work in the event loop lets others go on."""

from __future__ import annotations

import os

from gevent.socket import wait_write

_WRITABLE = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
"""It always is; the process owns it to its end."""


def give_way() -> None:
    """Let what waits for this core go first, and then all that has come on the connections.

    `gevent.sleep(0)` would not do: it comes back before the loop looks at the connections, as long
    as others sleep the same way.
    """
    os.sched_yield()
    wait_write(_WRITABLE)
