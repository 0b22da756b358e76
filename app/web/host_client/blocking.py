"""The model host for threads: each call blocks until the event loop has the result."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from app.web.host_client.client import HostChannel
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import HostLostError
from app.web.http.pending_call import GONE, PENDING_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from app.ipc.status import HostStatus, LoadedModel, ModelStatus

_T = TypeVar("_T")
_P = ParamSpec("_P")

_CHECK_S = 1.0
"""How often a thread that waits looks whether the event loop still runs."""
_SHUTTING_DOWN = "the service is shutting down"


def _blocking(
    method: Callable[Concatenate[HostChannel, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[BlockingHost, _P], _T]:
    """Return a blocking version of the channel's method of that name."""
    name = method.__name__

    def call(self: BlockingHost, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        coroutine: Coroutine[Any, Any, _T] = getattr(self._channel, name)(*args, **kwargs)
        return self._wait(coroutine)

    return call


class BlockingHost:
    """Calls a `HostChannel` from any thread but its event loop's; see there for the methods."""

    def __init__(self, channel: HostChannel, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._loop = loop

    @property
    def status(self) -> HostStatus:
        """Return the status of the host."""
        return self._channel.status

    def model(self, name: str | None = None) -> ModelStatus:
        """Return the status of a model; None is the default one."""
        return self._channel.model(name)

    def serving(
        self, deadline: float, size: int = 0, *, model: str | None = None, version: int = 0
    ) -> LoadedModel:
        """Return the version that answers; wait while a model's first version is being loaded."""
        found = self._channel.serving_now(model, version)
        return found or self._serving(deadline, size, model=model, version=version)

    _serving = _blocking(HostChannel.serving)
    predict = _blocking(HostChannel.predict)
    admin = _blocking(HostChannel.admin)
    metrics = _blocking(HostChannel.metrics)
    statistics = _blocking(HostChannel.statistics)
    example = _blocking(HostChannel.example)

    def _wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the event loop; each ends by its own deadline."""
        pending = PENDING_CALL.get()
        if pending is not None and pending.is_cancelled:
            coroutine.close()
            raise HostLostError(GONE, retry_after_s=1)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise HostLostError(
                _SHUTTING_DOWN, retry_after_s=1, code=ErrorCode.SERVICE_DRAINING
            ) from None
        if pending is not None:
            pending.begin(future)
        try:
            return self._outcome(future)
        except concurrent.futures.CancelledError:
            raise HostLostError(GONE, retry_after_s=1) from None

    def _outcome(self, future: concurrent.futures.Future[_T]) -> _T:
        """Return the result of a coroutine; a loop that has stopped never sets one."""
        while True:
            try:
                return future.result(_CHECK_S)
            except TimeoutError:
                if future.done():
                    return future.result()
                if not self._loop.is_running():
                    future.cancel()
                    raise HostLostError(
                        _SHUTTING_DOWN, retry_after_s=1, code=ErrorCode.SERVICE_DRAINING
                    ) from None
