"""Detects a store poll that does not end, and reports where the watcher's thread is.

Loaded versions keep serving, so the host is not ended for it.
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
"""A poll takes milliseconds, and a store that hangs ends it within seconds; the download of a large
version may take as long, and then, too, commands should not wait for it."""
_CHECK_EVERY_S = 5.0


class PollWatchdog:
    """Reports once that the last poll is too long ago, and once that polls end again."""

    def __init__(
        self,
        age_s: Callable[[], float],
        notify: Callable[[str | None], None],
        watcher: threading.Thread,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start to watch.

        Args:
            age_s: Returns how long ago the last poll ended.
            notify: Receives the message, and None when it does not apply any more.
            watcher: The polling thread, whose stack is reported.
            now: The time of day.
        """
        self._age_s = age_s
        self._notify = notify
        self._watcher = watcher
        self._now = now
        self._is_late = False

    def check(self) -> None:
        """Check the age of the last poll; report a change."""
        age_s = self._age_s()
        is_late = age_s > LATE_S
        if is_late == self._is_late:
            return
        self._is_late = is_late
        if not is_late:
            log.info("store polls end again")
            self._notify(None)
            return
        since = self._now() - timedelta(seconds=age_s)
        message = f"no store poll has ended since {since:%Y-%m-%d %H:%M:%S} UTC"
        log.error("%s; stack of the watcher's thread:\n%s", message, _stack(self._watcher))
        self._notify(f"{message}; loaded versions keep serving")

    def run(self) -> None:
        """Check at an interval, for ever."""
        while True:
            self.check()
            time.sleep(_CHECK_EVERY_S)


def _stack(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - there is no other way
    return "".join(traceback.format_stack(frame)) if frame else "the thread has ended"
