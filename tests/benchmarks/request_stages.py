"""The stages of a request inside a web worker, each as something that can be measured.

Nothing here reaches into a stage: workers are driven through gunicorn's `handle`, applications
through WSGI, and the rest through the functions that the application itself calls.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import repeat
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask
from gevent import socket
from gunicorn import http
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.workers.ggevent import GeventWorker
from prometheus_client import CollectorRegistry

from app.frames import Answer
from app.gunicorn_worker import WebWorker
from app.settings import Settings
from app.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from app.web.answers import encode_predictions
from app.web.channel import HostChannel, Prediction
from app.web.encodings.instances import decode_instances
from app.web.encodings.raw_pixels import decode_raw_pixels
from app.web.factory import create_app
from app.web.lean_flask import FinalResponse, LeanFlask
from app.web.metrics import WebMetrics
from app.web.observing import Observed
from model_store import Golden
from model_store.seeding import STARTER
from tests.benchmarks.cases import Load
from tests.benchmarks.load import encode
from tests.benchmarks.stand_ins import Clients, InstantChannel, InstantHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHAPE = (28, 28, 1)
MAX_IMAGES = 1024
AT_ONCE = 8
"""Requests in flight: so many that the worker does not fall asleep between them."""
_ADDRESS = ("127.0.0.1", 8000)
_PATIENCE_S = 60
_GOLDEN = Golden.read(STARTER / "mnist" / "1")
_RAW = _GOLDEN.images[:1].tobytes()
_JSON = encode(_GOLDEN.images, Load(1, "json", 1))
_REQUEST = (
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
                    passed_over=(),
                    batch_limit=64,
                    batch_seconds={},
                ),
            ),
        ),
        default=1,
    )
)

Application = Callable[[dict[str, Any], Any], Any]
Stage = Callable[[int], float]
"""Does something so many times; gives the CPU seconds that this took this thread."""


@contextlib.contextmanager
def stages(place: Path) -> Iterator[dict[str, Stage]]:
    """Set every stage up and give them by their names; a socket lies in `place`."""
    config = _config()
    metrics = WebMetrics(CollectorRegistry())
    path = place / "host.sock"
    with InstantHost(path, _STATUS, _ROW), Clients(_REQUEST) as clients:
        largest = Settings().largest_frame_bytes
        channel = HostChannel(path, largest, silence_s=_PATIENCE_S)  # this host does not beat
        channel.start()
        channel.serving(time.monotonic() + _PATIENCE_S)
        application = create_app(Settings(), channel, metrics)
        served = partial(_served, clients, config)
        yield {
            "gunicorn's parser: head and body": _parsing(config),
            "gunicorn's WSGI environment": _environment(config),
            "gunicorn's gevent worker, empty application": served(GeventWorker, _empty),
            "Glyph's worker, empty application": served(WebWorker, _empty),
            **_in_the_application(config, metrics),
            "to the host and back": _concurrently(lambda: _predict(channel)),
            "everything: worker, application, host that answers at once": served(
                WebWorker, application
            ),
        }
        channel.close()
        gevent.sleep()  # lets it close its socket, with which the host ends


def _in_the_application(config: Config, metrics: WebMetrics) -> dict[str, Stage]:
    observed = Observed(_empty, metrics, time.monotonic, log_all=False)
    instant = create_app(Settings(), InstantChannel(_STATUS, _PREDICTION), metrics)
    return {
        "Flask, empty view": _called(_flask(), config),
        "Glyph's Flask, empty view": _called(_lean_flask(), config),
        "request id, metrics and log": _called(observed, config),
        "metrics alone, written once in all": _counting(metrics),
        "JSON to pixels": _repeated(lambda: decode_instances(_JSON, SHAPE, MAX_IMAGES)),
        "raw pixels": _repeated(lambda: decode_raw_pixels(_RAW, SHAPE, MAX_IMAGES)),
        "prediction to JSON": _repeated(lambda: encode_predictions(_PREDICTION, "mnist")),
        "Glyph's application, channel that answers at once": _called(instant, config),
    }


def _config() -> Config:
    """Give gunicorn's configuration as far as a request meets it."""
    config = Config()
    for name, value in {"keepalive": 5, "workers": 2, "loglevel": "error"}.items():
        config.set(name, value)
    return config


def _repeated(call: Callable[[], object]) -> Stage:
    def run(count: int) -> float:
        started = time.thread_time()
        for _ in repeat(None, count):
            call()
        return time.thread_time() - started

    return run


def _parsing(config: Config) -> Stage:
    def run(count: int) -> float:
        parser = http.get_parser(config, repeat(_REQUEST), _ADDRESS)
        return _repeated(lambda: next(parser).body.read())(count)  # noqa: PLW0108 - another every time

    return run


def _environment(config: Config) -> Stage:
    request = next(http.get_parser(config, repeat(_REQUEST), _ADDRESS))
    return _repeated(lambda: wsgi.create(request, None, _ADDRESS, _ADDRESS, config))


def _called(application: Application, config: Config) -> Stage:
    """Call an application as a worker does."""
    request = next(http.get_parser(config, repeat(_REQUEST), _ADDRESS))
    _, environ = wsgi.create(request, None, _ADDRESS, _ADDRESS, config)

    def call() -> None:
        parts = application(environ | {"wsgi.input": BytesIO(_JSON)}, _start_response)
        for _ in parts:
            pass
        if hasattr(parts, "close"):
            parts.close()

    return _repeated(call)


def _start_response(status: str, _headers: Any, _exc_info: Any = None) -> None:
    if status != "200 OK":
        raise ValueError(f"not what was expected: {status}")


def _served(
    clients: Clients, config: Config, worker_class: type, application: Application
) -> Stage:
    """Have a worker serve real connections."""
    worker = worker_class(1, os.getppid(), [], None, 30, config, Logger(config))
    worker.tmp.close()
    worker.wsgi = application

    def run(count: int) -> float:
        with socket.socket() as listener:
            # As gunicorn does; without it, a head and a body in two packets wait 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            clients.start(listener.getsockname(), AT_ONCE, count // AT_ONCE)
            accepted = [listener.accept() for _ in range(AT_ONCE)]
            return _timed([partial(worker.handle, listener, *one) for one in accepted])

    return run


def _concurrently(call: Callable[[], object]) -> Stage:
    def run(count: int) -> float:
        return _timed([partial(_repeated(call), count // AT_ONCE)] * AT_ONCE)

    return run


def _timed(calls: list[Callable[[], object]]) -> float:
    """Run each in a greenlet; gives the CPU seconds of all."""
    started = time.thread_time()
    gevent.joinall([gevent.spawn(call) for call in calls], raise_error=True)
    return time.thread_time() - started


def _empty(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(_ANSWER)))])
    return [_ANSWER]


def _flask() -> Flask:
    application = Flask("empty", static_folder=None)
    application.post("/predict")(lambda: _ANSWER)
    return application


def _lean_flask() -> Flask:
    application = LeanFlask("empty", static_folder=None)
    headers = [("Content-Type", "application/json")]
    application.post("/predict")(lambda: FinalResponse(_ANSWER, headers))
    return application


def _counting(metrics: WebMetrics) -> Stage:
    def count_one() -> None:
        metrics.began()
        metrics.ended("/predict", "POST", 200, 0.001)

    def run(count: int) -> float:
        return _repeated(count_one)(count) + _repeated(metrics.write)(1)

    return run


def _predict(channel: HostChannel) -> None:
    channel.predict(1, _RAW, time.monotonic() + _PATIENCE_S)
