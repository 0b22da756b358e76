"""What happens, and when: a sequence of events that a seed decides."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PAUSE_S = (0.3, 2.0)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is done to the service."""

    number: int
    kind: str
    pause_s: float
    """Since the service was whole again after the event before."""
    share: float
    """From 0 to 1: how long it lasts, between the kind's bounds."""
    seed: int
    """Decides what else there is to decide, such as which worker."""

    def dice(self) -> random.Random:
        """Return the event's own source of random numbers."""
        return random.Random(self.seed)  # noqa: S311 - no secret

    def lasts_s(self, shortest_s: float, longest_s: float) -> float:
        """Return how long the event lasts."""
        return shortest_s + self.share * (longest_s - shortest_s)


def events(seed: int, kinds: Sequence[str]) -> Iterator[Event]:
    """Return events without end: every kind once, in random order, and again in another order."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    number = 0
    while True:
        for kind in dice.sample(kinds, len(kinds)):
            number += 1
            yield Event(number, kind, dice.uniform(*_PAUSE_S), dice.random(), dice.getrandbits(32))
