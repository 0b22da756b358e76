"""Refuses whoever asks more often than is allowed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from limits import parse
from limits.strategies import FixedWindowRateLimiter

from app.web.errors import RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from limits.storage import Storage

_item = lru_cache(maxsize=1024)(parse)


class Limiter:
    """Counts what callers ask; knows when they may ask again."""

    def __init__(self, counts: Storage, clock: Callable[[], float]) -> None:
        """Count in a storage.

        Args:
            counts: Shared by all web workers.
            clock: The seconds that the storage goes by.
        """
        self._strategy = FixedWindowRateLimiter(counts)
        self._clock = clock

    def check(self, caller: str, rate: str, trouble: str = "") -> None:
        """Count a request.

        Args:
            caller: Who asks.
            rate: How often that is allowed, such as 100/minute.
            trouble: What the caller is told; by default, that the rate is used up.

        Raises:
            RateLimitedError: If it is one too many.
        """
        item = _item(rate)
        if self._strategy.hit(item, caller):
            return
        left_s = max(0.0, self._strategy.get_window_stats(item, caller).reset_time - self._clock())
        trouble = trouble or f"{caller} has used up its {rate}"
        raise RateLimitedError(f"{trouble}; try again in {left_s:.0f} s", retry_after_s=left_s)

    def is_used_up(self, caller: str, rate: str) -> bool:
        """Check whether one more request would be too many, without counting one."""
        return not self._strategy.test(_item(rate), caller)
