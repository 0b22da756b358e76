"""When must the model host end, for its supervisor to start another?

Policy only; it is asked once a second, by a thread that nothing of the host's work can hold up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_YOUTH_S = 30.0
"""A host is not too large before this age: a limit set too low must leave it time to serve."""
_MIB = 2**20
_LOOK_S = 1.0
"""How often it is asked."""


def resident_bytes() -> int:
    """Give the memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Watchdog:
    """Sees that the host's loop turns and that its memory is within its bound."""

    def __init__(
        self,
        beats: Callable[[], int],
        *,
        stuck_s: float,
        limit_mib: int,
        waited: Callable[[], float] = lambda: 0.0,
        resident: Callable[[], int] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to watch.

        Args:
            beats: Gives a number that grows while the loop turns.
            stuck_s: How long the number may stay the same. Looks are counted, one a second, and
                no clock is read: time in which the whole process stood still is not the loop's
                fault. Nor is time in which it waited for a core.
            limit_mib: Bound on the resident memory; 0 is none.
            waited: Returns the seconds that the loop's thread has waited for a core so far.
            resident: Gives it, in bytes.
            clock: Monotonic seconds.
        """
        self._beats = beats
        self._stuck_s = stuck_s
        self._waited = waited
        self._limit_mib = limit_mib
        self._resident = resident
        self._clock = clock
        self._born = clock()
        self._seen = beats()
        self._waited_before = waited()
        self._same_s = 0.0

    def look(self) -> str | None:
        """Give the reason why the host must end, if there is one."""
        beats, waited = self._beats(), self._waited()
        own_s = max(0.0, _LOOK_S - (waited - self._waited_before))
        self._same_s = self._same_s + own_s if beats == self._seen else 0.0
        self._seen, self._waited_before = beats, waited
        if self._same_s >= self._stuck_s:
            return f"its loop has not turned for {self._same_s:.0f} s"
        if self._limit_mib and self._clock() - self._born >= _YOUTH_S:
            used = self._resident() // _MIB
            if used > self._limit_mib:
                return f"it takes {used} MiB of memory; the limit is {self._limit_mib}"
        return None
