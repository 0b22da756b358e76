"""What an event has done, and how it is known to be over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Settled = Callable[[], str | None]
"""Returns what the event still lacks to be over, or None."""


@dataclass(frozen=True, slots=True)
class Done:
    """Returned by an event once it has been made."""

    words: str
    settled: Settled


def done(words: str, settled: Settled = lambda: None) -> Done:
    """Return what was done; by default it is over when the service is whole."""
    return Done(words, settled)
