"""Notices that a look at the store does not end, and reports where the watcher is.

What is served goes on being served, so the host is not ended for it.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

log = logging.getLogger(__name__)

LATE_S = 60.0
"""A look takes milliseconds, and a store that hangs ends it within seconds; one that downloads a
large version may take as long, and then, too, orders had better not wait for it."""
_CHECK_EVERY_S = 5.0


class PollWatchdog:
    """Tells once that the last look is too long ago, and once that looks end again."""

    def __init__(
        self,
        age_s: Callable[[], float],
        notify: Callable[[str | None], None],
        watcher: threading.Thread,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin to watch.

        Args:
            age_s: Returns how long ago the last look ended.
            notify: Takes the sentence, and None when it does not hold any more.
            watcher: The thread that looks, to report where it is.
            now: The time of day.
        """
        self._age_s = age_s
        self._notify = notify
        self._watcher = watcher
        self._now = now
        self._is_late = False

    def check(self) -> None:
        """Compare the age of the last look with what is usual."""
        age_s = self._age_s()
        is_late = age_s > LATE_S
        if is_late == self._is_late:
            return
        self._is_late = is_late
        if not is_late:
            log.info("looks at the store end again")
            self._notify(None)
            return
        since = self._now() - timedelta(seconds=age_s)
        sentence = f"no look at the store has ended since {since:%Y-%m-%d %H:%M:%S} UTC"
        log.error("%s; the watcher is here:\n%s", sentence, _stack(self._watcher))
        self._notify(f"{sentence}; what is loaded serves on")

    def run(self) -> None:
        """Check for ever."""
        while True:
            self.check()
            time.sleep(_CHECK_EVERY_S)


def _stack(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - there is no other way
    return "".join(traceback.format_stack(frame)) if frame else "it has ended"
