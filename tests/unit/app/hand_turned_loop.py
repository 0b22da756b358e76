"""An event loop that turns only while a test waits for something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

SAFETY_S = 10
"""How long anything may take before a test gives up; nothing takes that long."""
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
"""By name: web workers have uvloop's; the Flask application by itself has Python's."""


class HandTurnedLoop:
    """Runs tasks while `wait`, `until` or `turn` is called, and nothing in between."""

    def __init__(self, name: str = "uvloop") -> None:
        self._runner = asyncio.Runner(loop_factory=LOOPS[name])
        self.loop = self._runner.get_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._runner.close()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have a coroutine run from the next turn on."""
        return self.loop.create_task(coroutine)

    def wait(self, awaitable: Awaitable[Any]) -> Any:
        """Return what comes of a coroutine or a task."""
        return self._runner.run(_in_time(awaitable))

    def call(self, function: Callable[[], Any]) -> Any:
        """Return what a function gives that must be called while the loop runs."""

        async def run() -> Any:
            return function()

        return self._runner.run(run())

    def until(self, condition: Callable[[], object]) -> None:
        """Let the loop turn until something holds."""

        async def look() -> None:
            while not condition():  # noqa: ASYNC110 - it is no event, and no time passes
                await asyncio.sleep(0)

        self.wait(look())

    def turn(self) -> None:
        """Let all that is due have its turn."""
        self._runner.run(asyncio.sleep(0))


async def _in_time(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(SAFETY_S):
        return await awaitable


def finish(task: asyncio.Task[Any]) -> None:
    """Let a task's loop turn until the task has ended, however it ends."""
    task.get_loop().run_until_complete(asyncio.wait([task], timeout=SAFETY_S))
