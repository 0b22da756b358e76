"""How much memory the bodies of requests take, all those of a worker together.

Many callers who send slowly, or a few KiB that inflate, would be gigabytes otherwise.
"""

from __future__ import annotations

import threading
from typing import Any

from app.web.errors import OverloadedError

_LIMIT = 128 * 2**20
"""Bytes of bodies that a worker holds at once. One may always be held, however large."""
_OWN = "glyph.held_bytes"

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
            own = environ.get(_OWN, 0)
            if self.bytes > own and self.bytes + size > _LIMIT:
                sentence = f"bodies of {self.bytes} bytes are being worked on; send it again"
                raise OverloadedError(sentence, retry_after_s=1)
            self.bytes += size
            environ[_OWN] = own + size

    def release(self, environ: Environ) -> None:
        """Forget what a request held."""
        if _OWN in environ:
            with self._lock:
                self.bytes -= environ.pop(_OWN, 0)


held_bodies = HeldBodies()
"""Of this process."""
