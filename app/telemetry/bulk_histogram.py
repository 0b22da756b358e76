"""A histogram for those who observe in bulk."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from typing import TYPE_CHECKING

from prometheus_client import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence


class TalliedHistogram(Histogram):
    """A histogram that takes many observations at the price of one."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe each of these amounts."""
        self._sum.inc(sum(amounts))
        for index, count in Tally(bisect_left(self._upper_bounds, a) for a in amounts).items():
            self._buckets[index].inc(count)
