"""Measured cost of batches on this machine, and the batch sizes that follow from it.

Policy only: the timed calls and the clock are passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Key = TypeVar("Key")

MIN_SPEEDUP = 1.08
"""Smallest factor of throughput that justifies a larger batch or a less exact runtime."""
_OVERHEAD_S = 0.0001
"""Time that the host spends on a batch outside the runtime: scheduling, sending, reading."""
_SHORT = 2
"""A short batch takes at most so many times as long as the smallest."""
_ROUNDS = (2, 12)
"""Fewest and most rounds in which calls are timed."""
_IN_A_ROW = 2
"""Calls in a row per round: the first of them finds the caches filled by other calls."""
_BUDGET_S = 0.15
"""No further round starts after this time."""


class BatchCostModel:
    """Seconds per batch at each prepared size, and the batch sizes that follow from them."""

    def __init__(self, seconds: Mapping[int, float]) -> None:
        """Create from the measured seconds of one call, by number of images; never empty."""
        self.seconds = _non_decreasing(seconds)
        self.limit = _limit(self.seconds)
        """Largest batch worth making: beyond it only latency rises. 1 if batching does not pay."""
        self._next_batch_sizes = _next_batch_sizes(self.seconds, self.limit)

    @property
    def sizes(self) -> list[int]:
        """Sizes worth preparing, ascending; the last is the limit."""
        return [size for size in self.seconds if size <= self.limit]

    def next_batch_size(self, waiting: int) -> int:
        """Return how many of the waiting images make the next batch.

        A batch between two prepared sizes is padded, which may cost more than two exact ones.
        """
        return self._next_batch_sizes[min(waiting, self.limit)]

    def short_batches(self) -> BatchCostModel:
        """Return a model limited to short batches, for background work.

        A request that arrives meanwhile has to wait for hardly longer than for a single image.
        """
        longest = _SHORT * min(self.seconds.values())
        return BatchCostModel({size: s for size, s in self.seconds.items() if s <= longest})

    def __str__(self) -> str:
        return ", ".join(f"{size}: {s * 1000:.2f} ms" for size, s in self.seconds.items())


def batch_sizes(max_batch: int) -> list[int]:
    """Return powers of two up to the largest batch, and that one itself."""
    sizes = [1 << power for power in range(max_batch.bit_length()) if 1 << power < max_batch]
    return [*sizes, max_batch]


def measure(
    calls: Mapping[Key, Callable[[], object]], clock: Callable[[], float]
) -> dict[Key, float]:
    """Time calls in turn, round after round; return the least seconds that each took.

    The machine may be busy, for example with the serving version: taken in turn, all calls are
    disturbed alike, and the minimum is the least disturbed measurement.
    """
    least, most = _ROUNDS
    seconds = dict.fromkeys(calls, float("inf"))
    began = clock()
    for done in range(most):
        if done >= least and clock() - began > _BUDGET_S:
            break
        for key in [key for key in calls for _ in range(_IN_A_ROW)]:
            started = clock()
            calls[key]()
            seconds[key] = min(seconds[key], clock() - started)
    return seconds


def _non_decreasing(seconds: Mapping[int, float]) -> dict[int, float]:
    """Order by size, and lower what was disturbed: no batch takes longer than a larger one."""
    mended: dict[int, float] = {}
    least = float("inf")
    for size in sorted(seconds, reverse=True):
        least = mended[size] = min(least, seconds[size])
    return dict(reversed(mended.items()))


def _limit(seconds: dict[int, float]) -> int:
    rates = {size: size / (s + _OVERHEAD_S) for size, s in seconds.items()}
    return next(size for size, rate in rates.items() if rate * MIN_SPEEDUP >= max(rates.values()))


def _next_batch_sizes(seconds: dict[int, float], limit: int) -> list[int]:
    """Return for each number of waiting images the first batch of the cheapest partition."""
    sizes = [size for size in reversed(seconds) if size <= limit]
    costs, cuts = [0.0], [0]
    for waiting in range(1, limit + 1):
        options = [
            (seconds[size] + _OVERHEAD_S + costs[waiting - min(size, waiting)], min(size, waiting))
            for size in sizes
        ]
        cost, next_batch_size = min(options, key=lambda option: option[0])
        costs.append(cost)
        cuts.append(next_batch_size)
    return cuts
