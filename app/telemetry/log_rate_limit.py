"""A rate limit for log lines of one kind; suppressed lines are counted.

Policy only. A flood of rejected requests would otherwise cost more to log than to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

_WINDOW_S = 1.0


@dataclass(slots=True)
class _Window:
    """Lines of one kind: written in this window, and suppressed since the last one."""

    began: float
    written: int = 0
    left_out: int = 0


def also(left_out: int) -> str:
    """Return the end of a log line that stands for suppressed ones as well."""
    return f", after {left_out} more that are not logged" if left_out else ""


class LogRateLimit:
    """Counts lines by their kind, of which there must be few: a route and a status, say."""

    def __init__(self, most: int) -> None:
        """Create a limit of lines of one kind per second."""
        self._most = most
        self._windows: dict[Hashable, _Window] = {}

    def take(self, kind: Hashable, now: float) -> int | None:
        """Ask for a line.

        Args:
            kind: Lines of other kinds are counted apart.
            now: Monotonic seconds.

        Returns:
            How many of the kind were left out since the last line that was written; None where this
            one is to be left out too.
        """
        window = self._windows.setdefault(kind, _Window(now))
        if now - window.began >= _WINDOW_S:
            window.began, window.written = now, 0
        if window.written == self._most:
            window.left_out += 1
            return None
        window.written += 1
        left_out, window.left_out = window.left_out, 0
        return left_out
