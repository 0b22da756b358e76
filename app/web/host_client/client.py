"""The web worker's one connection to the model host, shared by all its requests.

Each request is a frame with an id; answers come back in any order. A request waits for a future
that the reading side resolves, and one timer watches the deadlines of all. When the host dies, what
it had not answered is sent once more to its successor: a prediction has no side effect.

Everything here runs on the event loop; threads ask through `BlockingHost`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from app.ipc.frames import Kind, encode, encode_predict, example_body
from app.ipc.statistics import STATISTICS
from app.web.host_client.calls import Calls, Prediction
from app.web.host_client.model_index import not_ready
from app.web.http.errors import HostLostError, NotReadyError, OverloadedError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from app.ipc.statistics import VersionStatistics
    from app.ipc.status import HostStatus, LoadedModel, ModelStatus

__all__ = ["HostChannel", "Prediction"]
_HELD_LIMIT = 64 * 2**20
"""Bytes of requests that may wait for a version to serve."""


class HostChannel:
    """Calls the model host for every request of this worker."""

    def __init__(
        self,
        path: Path,
        largest_frame: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        silence_s: float = 10.0,
        on_shed: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            path: The host's socket.
            largest_frame: Bound on what the host sends, in bytes.
            clock: Monotonic seconds, the same that the host reads.
            silence_s: A host that says nothing for so long should have been replaced. It is not
                asked until it speaks; four times as long before it serves. One that is merely late
                is asked as long as the caller's deadline allows.
            on_shed: Told why a request is refused without asking the host: it is `full`, too much
                is `unsent`, or too much is `held` while no version serves.
        """
        self._clock = clock
        self._on_shed = on_shed
        self._calls = Calls(path, largest_frame, clock, silence_s, on_shed)
        self._held = 0
        """Bytes of the requests that wait for a version to serve."""

    def start(self) -> None:
        """Connect, and connect again whenever the host went away; called on the event loop."""
        self._calls.link.start()

    def close(self) -> None:
        """Close the connection, and fail the open calls and all later ones."""
        self._calls.close()

    @property
    def status(self) -> HostStatus:
        """The status of the host."""
        return self._calls.model_index.status

    def model(self, name: str | None = None) -> ModelStatus:
        """Return the status of a model; None is the default one.

        Raises:
            NotFoundError: If there is none of that name.
        """
        return self._calls.model_index.model(name)

    def serving_now(self, model: str | None = None, version: int = 0) -> LoadedModel | None:
        """Return the version that answers requests; None if it is being loaded or there is none.

        Args:
            model: Its name; None is the default one.
            version: 0 is its default one.
        """
        if model is None and not version:
            return self._calls.model_index.serving
        try:
            return self._calls.model_index.version(model, version)
        except ServiceError:
            return None

    async def serving(
        self, deadline: float, size: int = 0, *, model: str | None = None, version: int = 0
    ) -> LoadedModel:
        """Return the version that answers; wait while a model's first version is being loaded.

        Args:
            deadline: Clock reading after which nobody waits.
            size: Bytes that the waiting request holds.
            model: Its name; None is the default one.
            version: 0 is its default one.

        Raises:
            NotFoundError: If there is no such model, or no such version of it serves.
            NotReadyError: If none serves, or still none at the deadline, or too much waits, or the
                version that is asked for is still being loaded.
        """
        serving = self._calls.model_index.serving
        if model is None and not version and serving is not None:
            return serving
        if self._calls.model_index.awaited(model):
            await self._hold(deadline, size, model)
        return self._calls.model_index.version(model, version)

    async def _hold(self, deadline: float, size: int, model: str | None) -> None:
        """Wait until it is known whether a version of a model serves."""
        if self._held + size > _HELD_LIMIT:
            self._on_shed("held")
            message = f"{self.status.reason}; requests of {self._held} bytes wait for it"
            raise NotReadyError(message, retry_after_s=1)
        self._held += size
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - self._clock())):
                    while self._calls.model_index.awaited(model):
                        await self._calls.changed.wait()
        finally:
            self._held -= size

    async def predict(
        self,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
        *,
        model: str | None = None,
        version: int = 0,
        or_default: bool = False,
    ) -> Prediction:
        """Classify images.

        Args:
            rows: Number of images.
            pixels: uint8, row-major, image after image.
            deadline: Clock reading after which nobody waits.
            model: Its name; None is the default one.
            version: 0 is its default one.
            or_default: If that version is gone when the request comes, the default one will do.

        When the task that waits here is cancelled, the host drops the images that no batch has
        taken.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        calls = self._calls
        refused = calls.shedding.rejection(rows, deadline)
        if refused is not None:
            self._on_shed("full")
            raise OverloadedError(refused.sentence, retry_after_s=refused.retry_after_s)
        request_id = next(calls.ids)
        index = calls.model_index.indices.get(model, 0)
        frame = encode_predict(request_id, deadline, rows, pixels, index, version, or_default)
        outcome = await calls.ask(request_id, frame, deadline, rows, model)
        assert isinstance(outcome, Prediction)  # noqa: S101 - PREDICT is answered with one
        return outcome

    async def admin(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send the host an admin command.

        Args:
            request: The command, as a JSON document.
            deadline: Clock reading after which nobody waits; it may be done all the same.

        Raises:
            ServiceError: If the host is away or does not answer before the deadline.
        """
        reply = await self._ask_host(Kind.ADMIN, deadline, orjson.dumps(request))
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    async def metrics(self, deadline: float) -> bytes:
        """Fetch the host's metrics in Prometheus' text format."""
        return await self._ask_host(Kind.METRICS, deadline)

    async def statistics(self, deadline: float) -> list[VersionStatistics]:
        """Fetch the request statistics of each version; one without requests may be missing."""
        return STATISTICS.validate_json(await self._ask_host(Kind.STATISTICS, deadline))

    async def example(self, deadline: float, *, model: str | None = None) -> NDArray[np.uint8]:
        """Fetch a golden image of a model's default version, in the shape of its input.

        Raises:
            ServiceError: If nothing of the model serves, or the host is away or does not answer
                before the deadline.
        """
        found = self.model(model)
        serving = found.serving
        if not found.ready or serving is None or serving.loaded is None:
            raise not_ready(found)
        index = self._calls.model_index.indices[model]
        body = example_body(index, serving.version)
        pixels = await self._ask_host(Kind.EXAMPLE, deadline, body)
        return np.frombuffer(pixels, np.uint8).reshape(serving.loaded.input_shape)

    async def _ask_host(self, kind: Kind, deadline: float, body: bytes = b"") -> bytes:
        """Send a request that needs no version."""
        calls = self._calls
        if calls.link.open_connection is None or calls.link.silent:
            raise HostLostError("the model host is away", retry_after_s=1)
        request_id = next(calls.ids)
        outcome = await calls.ask(request_id, encode(kind, request_id, body), deadline, 0, None)
        assert isinstance(outcome, bytes)  # noqa: S101 - the host answers with the same kind
        return outcome
