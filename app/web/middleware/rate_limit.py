"""Rejects requests over the rate limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.web.http.errors import RateLimitedError

if TYPE_CHECKING:
    from app.web.middleware.rate_limit_storage import SharedCounts

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Limiter:
    """Counts requests of callers against a rate."""

    def __init__(self, counts: SharedCounts) -> None:
        self._counts = counts

    def check(self, caller: str, rate: str, trouble: str = "") -> None:
        """Count a request.

        Args:
            caller: Name of the caller.
            rate: The limit, such as 100/minute.
            trouble: The message; by default, that the rate is used up.

        Raises:
            RateLimitedError: If it is one too many.
        """
        most, _, unit = rate.partition("/")
        count, left_s = self._counts.add(f"{caller} {rate}", _SECONDS[unit])
        if count > int(most):
            trouble = trouble or f"{caller} has used up its {rate}"
            message = f"{trouble}; try again in {left_s:.0f} s"
            raise RateLimitedError(message, retry_after_s=left_s)

    def is_used_up(self, caller: str, rate: str) -> bool:
        """Check whether one more request would be too many, without counting one."""
        return self._counts.get(f"{caller} {rate}") >= int(rate.partition("/")[0])
