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
        stuck_looks: int,
        limit_mib: int,
        resident: Callable[[], int] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to watch.

        Args:
            beats: Gives a number that grows while the loop turns.
            stuck_looks: How many looks may see the same number. Looks are counted, and no clock
                is read: time in which the whole process stood still is not the loop's fault.
            limit_mib: Bound on the resident memory; 0 is none.
            resident: Gives it, in bytes.
            clock: Monotonic seconds.
        """
        self._beats = beats
        self._stuck_looks = stuck_looks
        self._limit_mib = limit_mib
        self._resident = resident
        self._clock = clock
        self._born = clock()
        self._seen = beats()
        self._same = 0

    def look(self) -> str | None:
        """Give the reason why the host must end, if there is one."""
        beats = self._beats()
        self._same = self._same + 1 if beats == self._seen else 0
        self._seen = beats
        if self._same >= self._stuck_looks:
            return f"its loop has not turned for {self._same} s"
        if self._limit_mib and self._clock() - self._born >= _YOUTH_S:
            used = self._resident() // _MIB
            if used > self._limit_mib:
                return f"it takes {used} MiB of memory; the limit is {self._limit_mib}"
        return None
