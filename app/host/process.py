"""The model host as gunicorn's dirty arbiter sees it: started after the fork, closed at the end.

Data does not pass through the arbiter. The heavy imports are made in `init`, since the arbiter
reads this module before it forks.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from gunicorn.dirty.app import DirtyApp

from app.run_dir import METRICS_DIR, current_run_dir
from app.settings import load_settings

if TYPE_CHECKING:
    from app.host.service import HostService

_PARENT_CHECK_S = 1.0


class ModelHost(DirtyApp):  # type: ignore[misc]  # gunicorn has no types
    """One process that owns the versions, the queue and the runtime."""

    workers = 1

    def __init__(self) -> None:
        self._service: HostService | None = None

    def init(self) -> None:
        """Start serving on the Unix socket; versions load in the background."""
        # The host keeps its own registry: its counts are not for the web workers' shared files.
        os.environ.pop(METRICS_DIR, None)
        from app.host.service import HostService  # noqa: PLC0415

        self._service = HostService(load_settings(), current_run_dir())
        self._service.start()
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()

    def __call__(self, action: str, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: requests come over the host's own socket."""
        raise NotImplementedError(f"the model host answers on its socket, not to {action!r}")

    def close(self) -> None:
        """Serve on until the web workers have gone, then stop."""
        if self._service is not None:
            self._service.close()


def _end_with(parent: int) -> None:
    """End this process when its arbiter was killed, since a new arbiter starts a new host."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
