"""What a request waits for in a thread, so that the event loop can end the wait."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import concurrent.futures

GONE = "the caller is gone, or the service is shutting down"
"""What is said to whoever waits in a thread, though nobody will read it."""


class PendingCall:
    """What a request waits for in its thread now."""

    def __init__(self) -> None:
        self._future: concurrent.futures.Future[Any] | None = None
        self.is_cancelled = False
        """Nobody waits for what this request asks."""

    def begin(self, future: concurrent.futures.Future[Any]) -> None:
        """Note what the thread waits for from now on."""
        self._future = future
        if self.is_cancelled:
            future.cancel()

    def cancel(self) -> None:
        """End the wait, and every later one: the client is gone."""
        self.is_cancelled = True
        if self._future is not None:
            self._future.cancel()


PENDING_CALL: ContextVar[PendingCall | None] = ContextVar("PENDING_CALL", default=None)
"""Of the request that this context answers."""
