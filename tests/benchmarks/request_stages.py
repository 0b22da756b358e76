"""The stages of a request inside a web worker, each as something that can be measured.

Nothing here reaches into a stage: connections are real ones, fronts are called through ASGI, Flask
through WSGI, and the rest through the functions that the front itself calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine
from io import BytesIO
from itertools import repeat
from typing import TYPE_CHECKING, Any

import uvloop
from gunicorn.asgi.protocol import ASGIProtocol
from prometheus_client import CollectorRegistry

from app.config.settings import Settings
from app.ipc.frames import Answer
from app.ipc.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from app.server.front.asgi_environ import environ_of
from app.web.host_client.client import HostChannel, Prediction
from app.web.http.environ import STARTED
from app.web.inputs.json_instances import decode_instances
from app.web.inputs.raw import decode_raw_pixels
from app.web.middleware.metrics import WebMetrics
from app.web.prediction.responses import encode_predictions
from imaging.preparation import usual
from model_store import Golden
from model_store.operations.starter import STARTER
from tests.benchmarks.cases import Load
from tests.benchmarks.floor import body_of
from tests.benchmarks.load import encode
from tests.benchmarks.stand_ins import Clients, InstantHost, KnowingChannel
from tests.in_process import BothWays, ConnectionWorker, Request, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.server.front.asgi_types import Receive, Scope, Send

SHAPE = (28, 28, 1)
MAX_IMAGES = 1024
AT_ONCE = 8
"""Requests in flight: so many that the worker does not fall asleep between them."""
_PATIENCE_S = 60
_LOOK_EVERY_S = 0.001
_GOLDEN = Golden.read(STARTER / "mnist" / "1")
_RAW = _GOLDEN.images[:1].tobytes()
_JSON = encode(_GOLDEN.images, Load(1, "json", 1))
_REQUEST = Request("/predict", _JSON, (("host", "a"), ("content-type", "application/json")))
_SENT = (
    b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_JSON), _JSON)
)
_CLASSES = tuple("0123456789")
_ROW = _GOLDEN.probabilities[:1]
_PREDICTION = Prediction(Answer(1, 0.0, 0.0, _ROW), _CLASSES)
_ANSWER = encode_predictions(_PREDICTION, "mnist")
_STATUS = HostStatus.of(
    ModelStatus(
        name="mnist",
        ready=True,
        reason=None,
        versions=(
            VersionStatus(
                version=1,
                state="serving",
                loaded=LoadedModel(
                    runtime="none",
                    precision="f32",
                    digest="",
                    accuracy=1.0,
                    classes=_CLASSES,
                    input_shape=SHAPE,
                    preparation=usual(SHAPE[2]),
                    passed_over=(),
                    batch_limit=64,
                    batch_seconds={},
                ),
            ),
        ),
        default=1,
    )
)

Stage = Callable[[int], float]
"""Does something so many times; gives the CPU seconds that this took this process."""


@contextlib.contextmanager
def stages(place: Path) -> Iterator[dict[str, Stage]]:
    """Set every stage up and give them by their names; a socket lies in `place`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        on = _OnLoop(runner)
        path = place / "host.sock"
        with InstantHost(path, _STATUS, _ROW), Clients(_SENT) as clients:
            largest = Settings().largest_frame_bytes
            channel = HostChannel(path, largest, silence_s=_PATIENCE_S)  # this host does not beat
            runner.run(_connect(channel))
            front = BothWays(channel, runner.get_loop(), time.monotonic).short
            yield {
                "gunicorn's connection, empty application": on.served(clients, None, _empty),
                "Glyph's connection, empty application": on.served(
                    clients, ConnectionWorker.connection, _empty
                ),
                **_in_the_front(on),
                "to the host and back": on.concurrently(lambda: _predict(channel)),
                "everything: connection, front, host that answers at once": on.served(
                    clients, ConnectionWorker.connection, front
                ),
            }
            runner.run(_close(channel))


def _in_the_front(on: _OnLoop) -> dict[str, Stage]:
    instant = KnowingChannel(_STATUS, _PREDICTION)
    ways = BothWays(instant, on.loop, time.monotonic)
    scope = _REQUEST.scope()
    environ = environ_of(scope)
    gate, fast_path = ways.flask.wsgi_app.gate, ways.fast_path

    def pass_the_gate() -> None:
        entering = dict(environ)
        gate.enter(entering)
        gate.leave(entering, 200, [])

    async def take_the_fast_path() -> None:
        passed = environ | {STARTED: 0.0}
        usual = fast_path.match(passed)
        response = await fast_path.answer(usual, passed, _JSON)
        response.final(passed)

    return {
        "environment of a scope": _repeated(lambda: environ_of(scope)),
        "gate: request id, metrics and log": _repeated(pass_the_gate),
        "metrics alone, written once in all": _counting(WebMetrics(CollectorRegistry())),
        "JSON to pixels": _repeated(lambda: decode_instances(_JSON, SHAPE, MAX_IMAGES)),
        "raw pixels": _repeated(lambda: decode_raw_pixels(_RAW, SHAPE, MAX_IMAGES)),
        "prediction to JSON": _repeated(lambda: encode_predictions(_PREDICTION, "mnist")),
        "fast path, channel that answers at once": on.repeated(take_the_fast_path),
        "front, the same channel": on.repeated(lambda: ask(ways.short, _REQUEST)),
        "front without the fast path": on.repeated(lambda: ask(ways.long, _REQUEST)),
        "Flask's application as WSGI": on.beside(_repeated(lambda: _call(ways.flask, environ))),
    }


class _OnLoop:
    """Makes stages of what runs on an event loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.loop = runner.get_loop()

    def repeated(self, call: Callable[[], Coroutine[Any, Any, object]]) -> Stage:
        """Do something again and again."""
        return lambda count: self._timed(_again(call, count))

    def concurrently(self, call: Callable[[], Coroutine[Any, Any, object]]) -> Stage:
        """Do it in some tasks at the same time."""

        async def run(count: int) -> None:
            await asyncio.gather(*(_again(call, count // AT_ONCE) for _ in range(AT_ONCE)))

        return lambda count: self._timed(run(count))

    def beside(self, stage: Stage) -> Stage:
        """Do what waits for the loop in a thread beside it."""
        return lambda count: self._timed(asyncio.to_thread(stage, count))

    def served(self, clients: Clients, make: Callable[..., Any] | None, front: Any) -> Stage:
        """Have real connections served; by default by gunicorn's own."""

        def run(count: int) -> float:
            worker = ConnectionWorker(front, self.loop)
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                clients.start(listener.getsockname(), AT_ONCE, count // AT_ONCE)
                accepted = [listener.accept()[0] for _ in range(AT_ONCE)]
                return self._timed(_serve(worker, accepted, make))

        return run

    def _timed(self, work: Coroutine[Any, Any, object]) -> float:
        started = time.process_time()
        self._runner.run(work)
        return time.process_time() - started


async def _again(call: Callable[[], Coroutine[Any, Any, object]], count: int) -> None:
    for _ in repeat(None, count):
        await call()


async def _serve(
    worker: ConnectionWorker, clients: list[socket.socket], make: Callable[..., Any] | None
) -> None:
    """Serve clients until they have gone."""
    for client in clients:
        connection = make(worker, client) if make is not None else ASGIProtocol(worker)
        await worker.loop.connect_accepted_socket(lambda made=connection: made, client)
    while worker.nr_conns:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(_LOOK_EVERY_S)


def _repeated(call: Callable[[], object]) -> Stage:
    def run(count: int) -> float:
        started = time.process_time()
        for _ in repeat(None, count):
            call()
        return time.process_time() - started

    return run


def _call(application: Any, environ: dict[str, Any]) -> None:
    """Call an application as a WSGI server does."""
    for _ in application(environ | {"wsgi.input": BytesIO(_JSON)}, _start_response):
        pass


def _start_response(status: str, _headers: Any, _exc_info: Any = None) -> None:
    if status != "200 OK":
        raise ValueError(f"not what was expected: {status}")


async def _empty(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and answer."""
    await body_of(scope, receive)
    headers = [(b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


def _counting(metrics: WebMetrics) -> Stage:
    def count_one() -> None:
        metrics.began()
        metrics.ended("/predict", "POST", 200, 0.001)

    def run(count: int) -> float:
        return _repeated(count_one)(count) + _repeated(metrics.write)(1)

    return run


async def _connect(channel: HostChannel) -> None:
    channel.start()
    await channel.serving(time.monotonic() + _PATIENCE_S)


async def _close(channel: HostChannel) -> None:
    """Close the channel, and let it close its socket, with which the host ends."""
    channel.close()
    await asyncio.sleep(0)


async def _predict(channel: HostChannel) -> None:
    await channel.predict(1, _RAW, time.monotonic() + _PATIENCE_S)
