"""Decides when the model host must end, for its supervisor to start another.

Policy only; checked once a second, by a thread that the host's work cannot block.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

_YOUTH_S = 30.0
"""A younger host is never too large: a limit set too low must leave it time to serve."""
_MIB = 2**20
_EXCESSES = 3
"""Checks in a row: meanwhile a new version that does not fit is given up, and not the host."""
_CHECK_S = 1.0
"""Interval of the checks."""


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 if it is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def excess(limit_mib: int, resident: Callable[[], int] = resident_bytes) -> str | None:
    """Return a message if this process uses more memory than it may.

    Args:
        limit_mib: Bound; 0 is none.
        resident: Returns the resident memory, in bytes.
    """
    used = resident() // _MIB
    if not limit_mib or used <= limit_mib:
        return None
    limit = f"the limit is {limit_mib} ({PREFIX}HOST_MEMORY_MIB)"
    return f"the model host takes {used} MiB of memory; {limit}"


class Watchdog:
    """Checks that the host's loop turns and that its memory is within its bound."""

    def __init__(
        self,
        heartbeats: Callable[[], int],
        *,
        stuck_s: float,
        limit_mib: int,
        waited: Callable[[], float] = lambda: 0.0,
        resident: Callable[[], int] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to watch.

        Args:
            heartbeats: Returns a number that grows while the loop turns.
            stuck_s: How long the number may stay the same. Checks are counted, one a second, and
                no clock is read: time in which the whole process was suspended does not count,
                nor does time in which the loop waited for a core.
            limit_mib: Bound on the resident memory; 0 is none.
            waited: Returns the seconds that the loop's thread has waited for a core so far.
            resident: Returns it, in bytes.
            clock: Monotonic seconds.
        """
        self._heartbeats = heartbeats
        self._stuck_s = stuck_s
        self._waited = waited
        self._limit_mib = limit_mib
        self._resident = resident
        self._clock = clock
        self._born = clock()
        self._seen = heartbeats()
        self._waited_before = waited()
        self._same_s = 0.0
        self._excesses = 0
        """How many checks in a row found it too large."""

    def check(self) -> str | None:
        """Return why the host must end; None if it need not."""
        heartbeats, waited = self._heartbeats(), self._waited()
        own_s = max(0.0, _CHECK_S - (waited - self._waited_before))
        self._same_s = self._same_s + own_s if heartbeats == self._seen else 0.0
        self._seen, self._waited_before = heartbeats, waited
        if self._same_s >= self._stuck_s:
            return f"its loop has not turned for {self._same_s:.0f} s"
        if self._clock() - self._born < _YOUTH_S:
            return None
        found = excess(self._limit_mib, self._resident)
        self._excesses = self._excesses + 1 if found else 0
        return found if self._excesses >= _EXCESSES else None
