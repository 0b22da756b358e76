"""The model host as gunicorn's dirty arbiter sees it: started after the fork, closed at the end.

Data does not pass through the arbiter. The heavy imports are made in `init`, since the arbiter reads
this module before it forks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.dirty.app import DirtyApp

if TYPE_CHECKING:
    from app.host.service import HostService


class ModelHost(DirtyApp):  # type: ignore[misc]  # gunicorn has no types
    """One process that owns the versions, the queue and the runtime."""

    workers = 1

    def __init__(self) -> None:
        self._service: HostService | None = None

    def init(self) -> None:
        """Start serving on the Unix socket; versions load in the background."""
        from app.host.service import HostService  # noqa: PLC0415
        from app.run_dir import current_run_dir  # noqa: PLC0415
        from app.settings import load_settings  # noqa: PLC0415

        self._service = HostService(load_settings(), current_run_dir())
        self._service.start()

    def __call__(self, action: str, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: requests come over the host's own socket."""
        raise NotImplementedError(f"the model host answers on its socket, not to {action!r}")

    def close(self) -> None:
        """Serve on until the web workers have gone, then stop."""
        if self._service is not None:
            self._service.close()
