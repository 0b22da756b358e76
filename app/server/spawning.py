"""Restarts of processes: with backoff, and so that no failure ends the master.

gunicorn starts what ended at once, as often as it ends, and its master ends where it cannot start a
process: for want of a directory, of memory, or of process ids.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EARLY_S = 3.0
"""A process that ends younger than this has failed."""
_WINDOW_S = 60.0
_FREE = 2
"""So many failures within the window cost no wait: a process may be killed, and the next too."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0


class Backoff:
    """The delay of the next process of a kind, by the failures before it. Policy only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: list[float] = []
        self._next = clock()

    def failed(self) -> float:
        """Record a failure; return the delay."""
        now = self._clock()
        self._failures = [*(at for at in self._failures if now - at < _WINDOW_S), now]
        beyond = len(self._failures) - _FREE
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (beyond - 1)) if beyond > 0 else 0.0
        self._next = now + wait_s
        return wait_s

    @property
    def count(self) -> int:
        """Number of failures that are counted."""
        return len(self._failures)

    @property
    def holds(self) -> bool:
        """Whether it is too soon for the next one."""
        return self._clock() < self._next


class Spawning:
    """Stands in the place of a function of gunicorn's that starts a process.

    gunicorn asks for a missing process about once a second, so that one that is held back is
    started at one of the next turns.
    """

    def __init__(
        self,
        spawn: Callable[[], int | None],
        kind: str,
        *,
        prepare: Callable[[], None],
        notify: Callable[[str], None],
        alone: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap a function.

        Args:
            spawn: Forks; gives the process id, or None where it is not to be started.
            kind: Name of the process, for the log.
            prepare: Creates the files that every start needs.
            notify: Logs an error.
            alone: There is one of the kind at most, so that its next start tells of its end.
            clock: Monotonic seconds.
        """
        self._spawn = spawn
        self._kind = kind
        self._prepare = prepare
        self._notify = notify
        self._clock = clock
        self._backoff = Backoff(clock)
        self._alone = alone
        self._born: float | None = None

    def __call__(self) -> int | None:
        """Start a process, unless it is too soon or fails."""
        if self._alone and self._born is not None:
            self.ended(self._born)
            self._born = None
        if self._backoff.holds:
            return None
        try:
            self._prepare()
            self._born = self._clock()
            return self._spawn()
        except (OSError, RuntimeError) as exc:
            self._failed(f"cannot be started: {exc}")
            return None

    def ended(self, born: float) -> None:
        """Record that a process ended, and when it was started."""
        if self._clock() - born < EARLY_S:
            self._failed("ended soon after its start")

    def _failed(self, how: str) -> None:
        wait_s = self._backoff.failed()
        when = f"in {wait_s:g} s" if wait_s else "now"
        self._notify(
            f"{self._kind} {how}; the next try is {when} "
            f"({self._backoff.count} failed within {_WINDOW_S:.0f} s)"
        )
