"""Ctrl-C: a terminal sends it to every process of the service, and the master alone obeys it.

The master ends the others in order. Until it can, the signal waits: Python's own handler would
raise KeyboardInterrupt wherever the start happens to be.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERRUPT = (signal.SIGINT,)
_ENDS = (signal.SIGTERM, signal.SIGQUIT)
_LOOK_EVERY_S = 0.02


def hold_interrupts() -> set[signal.Signals]:
    """Let Ctrl-C wait, also in processes that are started; return what waited before."""
    return set(map(signal.Signals, signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)))


def heed_interrupts() -> None:
    """Deliver the Ctrl-C that waits, and later ones."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)


def spawn_without_interrupts(spawn: Callable[[], int | None]) -> int | None:
    """Start a process that no Ctrl-C reaches, and other signals once it can obey them.

    What is forked does not return from here; see `obey_early_end`.
    """
    before = hold_interrupts()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        pid = spawn()
    except Exception:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def obey_early_end(process: Any) -> None:
    """Have gunicorn's arbiter or host end though it was told to before its event loop ran.

    gunicorn notes that, and looks at the note no more: the master would wait until it kills them.
    """
    run = process._run_async  # noqa: SLF001 - there is no hook

    async def run_obeying() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
        looking = asyncio.get_running_loop().create_task(_end_if_told(process))
        await run()
        looking.cancel()

    process._run_async = run_obeying  # noqa: SLF001 - likewise


async def _end_if_told(process: Any) -> None:
    while process._server is None:  # noqa: ASYNC110, SLF001 - likewise
        await asyncio.sleep(_LOOK_EVERY_S)
    if not process.alive:
        process._shutdown()  # noqa: SLF001 - likewise
