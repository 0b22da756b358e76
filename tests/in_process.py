"""The web side of a worker in this process: connections, front, and a host that answers at once."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gunicorn.config import Config
from gunicorn.glogging import Logger
from prometheus_client import CollectorRegistry

from app.config.settings import Settings
from app.ipc.frames import Answer
from app.ipc.status import LoadedModel, VersionStatus
from app.server.connections.bad_request import BadRequests
from app.server.connections.connection_table import ConnectionTable
from app.server.connections.http_connection import HttpConnection
from app.server.front.asgi_front import AsgiFront
from app.server.front.asgi_types import RECEIVED, Received
from app.server.front.fast_path import FastPath
from app.web.factory import create_app, traffic_of
from app.web.host_client.blocking import BlockingHost
from app.web.host_client.client import Prediction
from app.web.host_client.model_index import ModelIndex
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotFoundError
from app.web.middleware.metrics import WebMetrics
from imaging.preparation import usual

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.ipc.status import HostStatus, ModelStatus, Shape
    from app.server.front.asgi_types import Message, Scope
    from app.web.http.buffered_response import BufferedResponse

_RECEIVED_BYTES = 64 * 2**10
"""That a transport hands on at a time."""
_LOOK_EVERY_S = 0.0002
CLASSES = ("circle", "square", "star")


class Asked(NamedTuple):
    """What a model host was asked."""

    rows: int
    pixels: bytes
    deadline: float
    model: str | None
    version: int
    or_default: bool


class InstantChannel:
    """Stands for a `HostChannel` whose host answers at once; what it answers is in the pixels."""

    def __init__(self, status: HostStatus) -> None:
        self._model_index = ModelIndex(status)
        self.asked: list[Asked] = []
        self.waits: list[float] = []
        """Until when requests would have waited for a version."""
        self.error: Exception | None = None
        """What every prediction ends in."""
        self.gone: set[int] = set()
        """Versions that serve by the status, but not by the time that the host is asked."""

    @property
    def status(self) -> HostStatus:
        """Return what the host said."""
        return self._model_index.status

    @status.setter
    def status(self, status: HostStatus) -> None:
        self._model_index = ModelIndex(status)

    def model(self, name: str | None = None) -> ModelStatus:
        """Return what is known of a model."""
        return self._model_index.model(name)

    def serving_now(self, model: str | None = None, version: int = 0) -> LoadedModel | None:
        """Return what answers, if there is such."""
        try:
            return self._model_index.version(model, version)
        except Exception:  # noqa: BLE001 - `serving` tells it
            return None

    async def serving(
        self, deadline: float, _size: int = 0, *, model: str | None = None, version: int = 0
    ) -> LoadedModel:
        """Return what answers; nothing is worth waiting for."""
        self.waits.append(deadline)
        return self._model_index.version(model, version)

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
        """Answer."""
        asked = Asked(rows, bytes(pixels), deadline, model, version, or_default)
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        if version in self.gone:
            if not or_default:
                raise NotFoundError(f"version {version} is gone", code=ErrorCode.VERSION_NOT_FOUND)
            version = 0
        loaded = self._model_index.version(model, version)
        number = version or self._model_index.model(model).default or 0
        probabilities = _probabilities(asked, len(loaded.classes))
        return Prediction(Answer(number, 0.5, 0.25, probabilities), loaded.classes)

    async def admin(self, _request: dict[str, Any], _deadline: float) -> dict[str, Any]:
        """Do as if it were done."""
        return {"ok": True, "error": None, "change": {"generation": 1}}

    async def metrics(self, _deadline: float) -> bytes:
        """Return none."""
        return b""

    async def statistics(self, _deadline: float) -> list[Any]:
        """Return none."""
        return []

    async def example(self, _deadline: float, *, model: str | None = None) -> NDArray[np.uint8]:
        """Return a blank image."""
        return np.zeros(self._model_index.version(model, 0).input_shape, np.uint8)


def _probabilities(asked: Asked, classes: int) -> NDArray[np.float32]:
    """Return numbers in which every pixel and its place count."""
    images = np.frombuffer(asked.pixels, np.uint8).reshape(asked.rows, -1).astype(np.int64)
    places = np.arange(1, images.shape[1] + 1)
    sums = (images * (places * places + 7)).sum(axis=1) + asked.version
    spread = (sums[:, np.newaxis] * np.arange(3, 3 + classes)) % 9973
    return (spread / 9973).astype(np.float32)


def serving(version: int, shape: Shape = (2, 2, 1), classes: Sequence[str] = CLASSES) -> Any:
    """Describe a version that serves."""
    loaded = LoadedModel(
        runtime="none",
        precision="f32",
        digest="ab" * 32,
        accuracy=0.9,
        classes=tuple(classes),
        input_shape=shape,
        preparation=usual(shape[2]),
        passed_over=(),
        batch_limit=8,
        batch_seconds={},
    )
    return VersionStatus(version=version, state="serving", loaded=loaded)


@dataclass(frozen=True)
class Request:
    """A request as gunicorn hands it on."""

    target: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"
    pieces: tuple[bytes, ...] | None = None
    """What the body comes in after the head; by default it is there with the head."""

    def with_headers(self, **headers: str) -> Request:
        """Return it with some headers more; `_` stands for `-`."""
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return replace(self, headers=(*self.headers, *more))

    def scope(self) -> Scope:
        """Return the scope that gunicorn makes of it."""
        path, _, query = self.target.partition("?")
        length = [] if self.pieces is not None else [("content-length", str(len(self.body)))]
        headers = [*length, *self.headers, ("x-request-id", "the-same")]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers
            ],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50_000),
            RECEIVED: Received(self.body if self.pieces is None else None),
        }


class Told(NamedTuple):
    """What a client is told."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def ask(front: AsgiFront, request: Request) -> Told:
    """Have a front answer a request."""
    scope, waiting = request.scope(), list(request.pieces or ())
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            scope[RECEIVED].trouble = "there are no more pieces of it"
            return {"type": "http.disconnect"}
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    await front(scope, receive, send)
    start, *parts = sent
    return Told(start["status"], start["headers"], b"".join(part["body"] for part in parts))


class _NotedFastPath(FastPath):
    """Counts the requests that it answered."""

    answered = 0

    async def answer(self, *request: Any) -> BufferedResponse | None:
        response = await super().answer(*request)
        self.answered += response is not None
        return response


class BothWays:
    """The two fronts of one application: with the short way, and with Flask alone."""

    def __init__(
        self,
        channel: InstantChannel,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        **settings: Any,
    ) -> None:
        """Put both together.

        Args:
            channel: Asks the model host.
            loop: Runs the fronts.
            clock: Monotonic seconds.
            settings: Those that are not as they come.
        """
        chosen = Settings(**settings)
        self.channel = channel
        self.registry = CollectorRegistry()
        metrics = WebMetrics(self.registry)
        self.flask = create_app(chosen, BlockingHost(channel, loop), metrics, clock)
        most_bytes, timeout_ms = chosen.max_body_bytes, chosen.request_timeout_ms
        self.fast_path = _NotedFastPath(
            channel,
            traffic_of(chosen, metrics),
            timeout_ms=timeout_ms,
            max_images=chosen.max_images,
            max_body_bytes=most_bytes,
        )
        bounds = {"timeout_ms": timeout_ms, "max_body_bytes": most_bytes}
        self.short = AsgiFront(self.flask, self.fast_path, clock, **bounds)
        self.long = AsgiFront(self.flask, None, clock, **bounds)


class Transport(asyncio.Transport):
    """Takes what a connection writes; there is no socket."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000)})
        self.sent = bytearray()
        self.lost = asyncio.Event()
        """Set once the connection has been told that it is closed."""
        self._connection: Any = None
        self._closing = False
        self._reading = asyncio.Event()
        self._reading.set()

    def begin(self, connection: Any) -> None:
        """Notify a connection that it is made."""
        self._connection = connection
        connection.connection_made(self)

    async def readable(self) -> None:
        """Wait until the connection reads; a closed one never minds."""
        await self._reading.wait()

    def write(self, data: Any) -> None:
        if not self._closing:
            self.sent += data

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._reading.set()
            asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self._connection.connection_lost(None)
        self.lost.set()

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Note nothing: whoever reads what was sent has it all."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set none: what is written is taken at once."""


class ConnectionWorker:
    """What connections need of their worker."""

    alive = True
    nr = nr_conns = 0
    max_requests = sys.maxsize

    def __init__(self, front: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Serve a front on a loop, configured as far as a connection minds as in service."""
        self.cfg = Config()
        changes = {"keepalive": 75, "asgi_disconnect_grace_period": 0, "http_parser": "python"}
        for name, value in (changes | {"forwarded_allow_ips": "", "loglevel": "error"}).items():
            self.cfg.set(name, value)
        self.log = Logger(self.cfg)
        self.asgi = front
        self.loop = loop
        self.connections = ConnectionTable(1000, self.cfg.keepalive)
        self.bad_requests = BadRequests(loop.time, self.cfg)

    def connection(self, _client: socket.socket | None = None) -> HttpConnection:
        """Make a connection, of a client's socket if it has one."""
        connection = HttpConnection(self)  # type: ignore[arg-type]
        self.connections.admit(connection, self.loop.time())
        return connection

    async def exchange(self, data: bytes) -> bytes:
        """Return what a client is told that sends some bytes, and no more after them."""
        transport = Transport()
        connection = self.connection()
        transport.begin(connection)
        for start in range(0, len(data), _RECEIVED_BYTES):
            await transport.readable()
            if not transport.is_closing():
                connection.data_received(data[start : start + _RECEIVED_BYTES])
        await transport.readable()
        while not (transport.is_closing() or _wants_more(connection)):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(_LOOK_EVERY_S)
        if not (transport.is_closing() or connection.eof_received()):
            transport.close()
        await transport.lost.wait()
        await asyncio.gather(connection._task, return_exceptions=True)
        return bytes(transport.sent)


def _wants_more(connection: Any) -> bool:
    """Return whether a connection waits for its client, and not for the front."""
    receiver = connection._body_receiver
    waits = receiver is not None and receiver._waiter is not None
    return waits or connection._awaiting_request or connection._lingering
