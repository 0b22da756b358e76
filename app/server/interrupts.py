"""Ctrl-C: a terminal sends it to every process of the service, and the master alone obeys it.

The master ends the others in order. Until it can, the signal waits: Python's own handler would
raise KeyboardInterrupt wherever the start happens to be.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERRUPT = (signal.SIGINT,)


def hold_interrupts() -> set[signal.Signals]:
    """Let Ctrl-C wait, also in processes that are started; return what waited before."""
    return set(map(signal.Signals, signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)))


def heed_interrupts() -> None:
    """Deliver the Ctrl-C that waits, and later ones."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)


def spawn_without_interrupts(spawn: Callable[[], int | None]) -> int | None:
    """Start a process that no Ctrl-C reaches; what is forked does not return from here."""
    before = hold_interrupts()
    try:
        pid = spawn()
    except Exception:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid
