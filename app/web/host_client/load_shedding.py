"""Load shedding: requests are not sent to the model host that has just rejected similar ones.

Policy only. A rejection by the host holds for a moment: the full queue is nearly as full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ipc.frames import Refused

_LONGEST_S = 0.05
_SHARE = 0.25
"""For so much of the time that the queue takes to empty is the host not asked: it stays busy."""


class Shedding:
    """The last rejection, and the requests that it applies to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refused: Refused | None = None
        self._rows = 0
        self._left_s = 0.0
        self._until = 0.0

    def note(self, rows: int, left_s: float, refused: Refused) -> None:
        """Remember that the host is too full for a request.

        Args:
            rows: Its images.
            left_s: Seconds from when it was sent to its deadline.
            refused: What the host said; its wait is the time that the queue takes to empty.
        """
        now = self._clock()
        if self._holds(rows, left_s, now):
            return  # it was sent before the one that is remembered came back, and says no more
        self._refused, self._rows, self._left_s = refused, rows, left_s
        self._until = now + min(_LONGEST_S, _SHARE * refused.retry_after_s)

    def rejection(self, rows: int, deadline: float) -> Refused | None:
        """Return the last rejection, if the request is as large and has no more time left."""
        if self._refused is None:
            return None
        now = self._clock()
        if self._holds(rows, deadline - now, now):
            return self._refused
        return None

    def _holds(self, rows: int, left_s: float, now: float) -> bool:
        return now < self._until and rows >= self._rows and left_s <= self._left_s
