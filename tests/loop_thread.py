"""An event loop that runs in a thread of its own, as tests need it that block."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

_SAFETY_S = 10
"""How long the loop may take to call something; it never does."""


class LoopThread:
    """Runs a loop until it is stopped."""

    def __init__(
        self, new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    ) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on the loop, and return what it gives."""

        async def run() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(_SAFETY_S)

    def stop(self) -> None:
        """End the thread; the loop may be run again."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def close(self) -> None:
        """End all that runs."""
        if self.loop.is_closed():
            return
        if self.loop.is_running():
            self.stop()
        self.loop.run_until_complete(_end_tasks())
        self.loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
