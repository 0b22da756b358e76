"""Makes the five trips once each through the tree that is on the path, and prints what was called.

Run by `python -m tests.benchmarks.structure trips`, as

    cd TREE && PYTHONPATH=THIS_CHECKOUT python -m tests.benchmarks.structure.trips

The tree may be an older commit: what differs by then stands in the adapters at the end. One process
holds the model host and the web side, so that each trip is what one thread does for one request.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image
from prometheus_client import CollectorRegistry

from tests.benchmarks.structure.calls import CallRecorder, Trip

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "mnist"
PACKAGES = ("app", "imaging", "model_store")
_PATIENCE_S = 60
_REPEATS = 7
"""Of a trip that timers may cross: the shortest counts."""
_RUNTIMES = ("app.host.runtimes",)
"""Left out: how often they compute depends on what is measured."""
_HOST_CLIENT = (
    "app.ipc",
    "app.web.host_client",
    *("app.frames", "app.status", "app.web.channel", "app.web.directory"),
    *("app.web.host_connection", "app.web.shedding"),
)
"""Left out of the web side, whose trip ends where it asks the host."""
_BODY = json.dumps({"instances": np.zeros((1, 28, 28), int).tolist()}).encode()


class Web(Protocol):
    """The web side of a tree, connected to a model host."""

    def predict(self) -> None:
        """Have one image of JSON classified."""

    def close(self) -> None:
        """Close the connection to the host."""


def measure(tree: Path) -> dict[str, Trip]:
    """Make the trips through a tree whose packages are on the path."""
    recorder = CallRecorder([tree / package for package in PACKAGES])
    trips = {}
    with tempfile.TemporaryDirectory() as place, recorder.installed():
        trips["PNG decoded and prepared"] = _prepare_picture(recorder)
        store = _new_store(Path(place) / "store")
        description = _description()
        with recorder.recording() as trips["publish a version"]:
            _write(store, description)
        with _host(Path(place), store) as service:
            _sync_until(service, 2)
            trips |= _predict(recorder, Path(place), service)
            _write(store, description)
            trips |= _swap(recorder, service)
    return trips


def _prepare_picture(recorder: CallRecorder) -> Trip:
    """Read a photographed digit: dark strokes on a light background."""
    pixels = np.full((96, 96), 240, np.uint8)
    pixels[20:76, 44:52] = 20
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    module = _first("app.web.inputs.picture_reader", "app.web.pictures.reading")
    body, shape = png.getvalue(), (28, 28, 1)
    module.read_picture(body, shape, "auto")
    with recorder.recording() as trip:
        module.read_picture(body, shape, "auto")
    return trip


def _new_store(root: Path) -> Any:
    from model_store import ModelStore  # noqa: PLC0415 - of the tree that is measured

    store = ModelStore(root)
    store.adopt(_starter(), MODEL)
    return store


def _starter() -> Path:
    module = _first("model_store.operations.starter", "model_store.seeding")
    starter: Path = module.STARTER / MODEL / "1"
    return starter


def _description() -> Any:
    """Describe a version as the starter describes itself."""
    from model_store import Description, ModelStore  # noqa: PLC0415 - likewise

    metadata = ModelStore(_starter().parents[1]).metadata(MODEL, 1)
    return Description(**{name: getattr(metadata, name) for name in Description.model_fields})


def _write(store: Any, description: Any) -> None:
    with store.draft(MODEL) as draft:
        shutil.copytree(_starter(), draft.path, dirs_exist_ok=True)
        (draft.path / "manifest.json").unlink()
        (draft.path / "metadata.json").unlink()
        draft.commit(description)


@contextmanager
def _host(run_dir: Path, store: Any) -> Iterator[Any]:
    """Run a model host whose server has its thread, and whose store is polled when asked for."""
    from app.host.service import HostService  # noqa: PLC0415 - likewise

    service = HostService(_settings(store), run_dir)
    service._server.listen()
    server = service._threads[0]
    server.start()
    try:
        yield service
    finally:
        service._watcher.stop()
        service._server.close()
        server.join(_PATIENCE_S)


def _settings(store: Any) -> Any:
    settings = _first("app.config.settings", "app.settings").Settings
    return settings(store=str(store.root), runtime="openvino", host_memory_mib=0)


def _sync_until(service: Any, version: int) -> None:
    """Poll the store until a version serves; after the first time whenever the watcher is woken."""
    step = getattr(service._watcher, "step", None) or service._watcher.turn
    end = time.monotonic() + _PATIENCE_S
    while True:
        service._watcher._wake.clear()
        step()
        if service._watcher.status().models[0].default == version:
            return
        if not service._watcher._wake.wait(end - time.monotonic()):
            raise TimeoutError(f"version {version} does not serve")


def _swap(recorder: CallRecorder, service: Any) -> dict[str, Trip]:
    """Poll until the newest version serves."""
    with recorder.recording(without=_RUNTIMES) as trip:
        _sync_until(service, 3)
    return {"swap a version": trip}


def _predict(recorder: CallRecorder, place: Path, service: Any) -> dict[str, Trip]:
    """Have one image classified over the real connection between web side and host."""
    web = _web(place)
    server = service._threads[0].name
    try:
        web.predict()
        web_side, host = [], []
        for _ in range(_REPEATS):
            with recorder.recording(without=_HOST_CLIENT) as trip:
                web.predict()
            web_side.append(trip)
            with recorder.recording(server, _RUNTIMES) as trip:
                web.predict()
            host.append(trip)
    finally:
        web.close()
    return {"/predict, web side": _shortest(web_side), "host, one image": _shortest(host)}


def _shortest(trips: list[Trip]) -> Trip:
    return min(trips, key=lambda trip: len(trip.calls))


def _first(*names: str) -> Any:
    """Import the first of some modules that the tree has; another tree may be installed beside."""
    for name in names:
        if _has(name):
            return importlib.import_module(name)
    raise ModuleNotFoundError(f"the tree has none of {', '.join(names)}")


def _has(module: str) -> bool:
    path = Path.cwd() / module.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def _web(place: Path) -> Web:
    return _LoopWeb(place) if _has("app.server") else _GreenletWeb(place)


class _LoopWeb:
    """The front on an event loop, as ASGI."""

    def __init__(self, place: Path) -> None:
        from app.server.front.asgi_front import AsgiFront  # noqa: PLC0415 - of the tree that is measured
        from app.server.front.fast_path import FastPath  # noqa: PLC0415
        from app.web.factory import create_app, traffic_of  # noqa: PLC0415
        from app.web.host_client.blocking import BlockingHost  # noqa: PLC0415
        from app.web.host_client.client import HostChannel  # noqa: PLC0415
        from app.web.middleware.metrics import WebMetrics  # noqa: PLC0415

        types = _first("app.server.front.asgi_types")
        self._received, self._make_received = types.RECEIVED, types.Received
        self._runner = asyncio.Runner()
        loop = self._runner.get_loop()
        settings = _first("app.config.settings").Settings()
        metrics = WebMetrics(CollectorRegistry())
        self._channel = HostChannel(place / "host.sock", settings.largest_frame_bytes)
        self._runner.run(self._connect())
        bounds = {"timeout_ms": 10_000, "max_body_bytes": settings.max_body_bytes}
        fast_path = FastPath(
            self._channel, traffic_of(settings, metrics), max_images=settings.max_images, **bounds
        )
        flask = create_app(settings, BlockingHost(self._channel, loop), metrics)
        self._front = AsgiFront(flask, fast_path, time.monotonic, **bounds)

    async def _connect(self) -> None:
        self._channel.start()
        await self._channel.serving(time.monotonic() + _PATIENCE_S)

    def predict(self) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("the body has come with the head")

        async def send(message: Any) -> None:
            sent.append(message)

        headers = {"content-type": "application/json", "content-length": str(len(_BODY))}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50_000),
            self._received: self._make_received(_BODY),
        }
        self._runner.run(self._front(scope, receive, send))
        _check(sent[0]["status"])

    def close(self) -> None:
        async def close() -> None:
            self._channel.close()

        self._runner.run(close())
        self._runner.close()


class _GreenletWeb:
    """Flask's application on gevent, as WSGI: up to version 0.1."""

    def __init__(self, place: Path) -> None:
        from app.web.channel import HostChannel  # noqa: PLC0415 - of the tree that is measured
        from app.web.metrics import WebMetrics  # noqa: PLC0415

        from app.web.factory import create_app  # noqa: PLC0415

        settings = _first("app.settings").Settings()
        self._channel = HostChannel(place / "host.sock", settings.largest_frame_bytes)
        self._channel.start()
        self._channel.serving(time.monotonic() + _PATIENCE_S)
        self._app = create_app(settings, self._channel, WebMetrics(CollectorRegistry()))

    def predict(self) -> None:
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/predict",
            "RAW_URI": "/predict",
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(_BODY)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(_BODY),
            "wsgi.errors": sys.stderr,
        }

        def start(status: str, *_more: Any) -> Any:
            statuses.append(status)

        parts = self._app(environ, start)
        b"".join(parts)
        if hasattr(parts, "close"):
            parts.close()
        _check(int(statuses[0][:3]))

    def close(self) -> None:
        self._channel.close()


def _check(status: int) -> None:
    if status != 200:
        raise ValueError(f"/predict answered with {status}")


def main() -> None:
    """Print the trips as JSON: what is called, in its order."""
    logging.disable()
    trips = measure(Path.cwd())
    json.dump({name: trip.calls for name, trip in trips.items()}, sys.stdout)


if __name__ == "__main__":
    main()
