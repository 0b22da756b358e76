"""The model host as an application of gunicorn's dirty arbiter.

Data does not pass through the arbiter. The heavy imports are made in `begin`, since the arbiter
reads this module before it forks.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from gunicorn.dirty.app import DirtyApp

from app.config.loading import load_settings
from app.config.run_dir import METRICS_DIR, current_run_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.service import HostService
    from app.host.watchdog import Watchdog

log = logging.getLogger(__name__)

_CHECK_S = 1.0
_HEARTBEAT_S = 1.0
"""gunicorn's own interval is half the timeout after which it kills: when that happens would depend
on chance."""


class ModelHost(DirtyApp):  # type: ignore[misc]  # gunicorn has no types
    """The process that owns the versions, the queue and the runtime."""

    workers = 1

    def __init__(self) -> None:
        self._service: HostService | None = None
        self._closing = threading.Event()

    def begin(self, notify: Callable[[], None], arbiter: int) -> None:
        """Start serving on the Unix socket; versions load in the background.

        Args:
            notify: Sends the arbiter a heartbeat.
            arbiter: Its process, which may have died since it started this one.
        """
        threading.Thread(
            target=_send_heartbeats, name="heartbeat", args=(notify,), daemon=True
        ).start()
        # The host keeps its own registry: its counts are not for the web workers' shared files.
        os.environ.pop(METRICS_DIR, None)
        from app.host.service import HostService  # noqa: PLC0415
        from app.host.watchdog import Watchdog  # noqa: PLC0415

        settings = load_settings()
        self._service = HostService(settings, current_run_dir())
        self._service.journal.catch_crashes()
        self._service.start()
        watchdog = Watchdog(
            self._service.heartbeats,
            stuck_s=settings.host_timeout_s,
            limit_mib=settings.host_limit_mib,
            waited=self._service.waited_for_core_s,
        )
        watch = (arbiter, watchdog, self._service.give_up, self._closing)
        threading.Thread(target=_watch, name="watchdog", args=watch, daemon=True).start()

    def __call__(self, action: str, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: requests come over the host's own socket."""
        raise NotImplementedError(f"the model host answers on its socket, not to {action!r}")

    def close(self) -> None:
        """Keep serving until the web workers have gone, then stop."""
        self._closing.set()
        if self._service is not None:
            self._service.close()


def _send_heartbeats(notify: Callable[[], None]) -> None:
    while True:
        notify()
        time.sleep(_HEARTBEAT_S)


def _watch(
    parent: int, watchdog: Watchdog, give_up: Callable[[], None], closing: threading.Event
) -> None:
    """End this process when it must, or its arbiter was killed: a new arbiter starts a new host."""
    while os.getppid() == parent:
        why = watchdog.check()
        if why is not None:
            log.error("the model host ends, and another is started: %s", why)
            give_up()
            os._exit(1)
        time.sleep(_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    while not closing.wait(_CHECK_S):  # gunicorn forgets one that comes before its loop runs
        os.kill(os.getpid(), signal.SIGTERM)
