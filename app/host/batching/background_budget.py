"""Limits the time that background work gets while requests arrive."""

from __future__ import annotations

import math

_SHARE = 0.005
"""Share of the time for background work while requests arrive: so few of them have to wait for a
background batch that the 99th percentile of the latency does not change."""
_QUIET_S = 0.1
"""After so long without a request, background work gets all the time."""


class BackgroundBudget:
    """Decides when the next background batch may run; one at a time."""

    def __init__(self) -> None:
        self._next_from = 0.0
        self._quiet_from = 0.0

    def request_arrived(self, now: float) -> None:
        """Record that a request was admitted."""
        self._quiet_from = now + _QUIET_S

    def allows(self, now: float) -> bool:
        """Return True if a background batch may run when no other job waits."""
        return now >= min(self._next_from, self._quiet_from)

    def begun(self) -> None:
        """Record that a batch has begun: while requests arrive, none follows until it ends."""
        self._next_from = math.inf

    def ended(self, seconds: float, now: float) -> None:
        """Record the time of a batch, after which background work pauses."""
        self._next_from = now + seconds / _SHARE
