"""The memory that the bodies of all requests of a worker take.

Many callers who send slowly, or a few KiB that inflate, would be gigabytes otherwise.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.web.http.environ import AT_WORK, HELD_BYTES
from app.web.http.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 128 * 2**20
"""Bytes of bodies that a worker holds at once. One may always be held, however large."""

Environ = dict[str, Any]


class HeldBodies:
    """Counts the bytes of bodies that are being received or worked on, from any thread."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def take(self, environ: Environ, size: int) -> None:
        """Count what a request holds until it is released.

        Raises:
            OverloadedError: If the bodies of other requests take too much already.
        """
        with self._lock:
            own = environ.get(HELD_BYTES, 0)
            if self.bytes > own and self.bytes + size > _LIMIT:
                message = f"bodies of {self.bytes} bytes are being processed; try again"
                raise OverloadedError(message, retry_after_s=1)
            self.bytes += size
            environ[HELD_BYTES] = own + size

    def release(self, environ: Environ) -> None:
        """Forget what a request held, unless a thread still works on it: then once it ends."""
        if HELD_BYTES in environ:
            with self._lock:
                if AT_WORK not in environ:
                    self.bytes -= environ.pop(HELD_BYTES, 0)

    @contextmanager
    def working(self, environ: Environ) -> Iterator[None]:
        """Have a request hold its body while a thread works on it, though its client may be gone.

        What it takes meanwhile is forgotten with the rest when the block ends.
        """
        environ[AT_WORK] = True
        try:
            yield
        finally:
            with self._lock:
                del environ[AT_WORK]
                self.bytes -= environ.pop(HELD_BYTES, 0)


held_bodies = HeldBodies()
"""Of this process."""
