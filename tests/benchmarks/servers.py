"""Starts the servers that are compared, each as its author would."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import requests

from tests.benchmarks.models import NAMES
from tests.service import PATIENCE_S, SERVE, Service

if TYPE_CHECKING:
    from pathlib import Path

    from model_store import ModelStore
    from tests.benchmarks.cases import Server

WORKERS = 2
_GUNICORN = (sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", str(WORKERS))
_ASGI = ("--asgi-loop", "uvloop", "--asgi-lifespan", "off", "--http-parser", "python")
_FLOOR = ("--keep-alive", "5", "tests.benchmarks.floor:app", *_ASGI, "--worker-class")
_FLOORS = {
    "floor": (*_FLOOR, "tests.benchmarks.floor.FloorWorker"),
    "stock floor": (*_FLOOR, "asgi"),
    "gevent floor": (
        *("--keep-alive", "5", "tests.benchmarks.flask_floor:app"),
        *("--worker-class", "gevent"),
    ),
}
_RETRY_S = 0.01


def start(server: Server, store: ModelStore, log: Path) -> tuple[Service, float]:
    """Start a server.

    Returns:
        The running server, and the seconds from its command to its first prediction.
    """
    settings = {"web_workers": 0}  # as it chooses by itself
    if server.kind == "glyph":
        name = NAMES[server.model]
        settings |= {"model": name, "models": name, "runtime": server.runtime}
    service = Service(store.root, log, _command(server, store), **settings)
    if server.kind != "glyph":
        service.command += ("--bind", f"127.0.0.1:{service.port}")
    started = time.monotonic()
    service.__enter__()
    try:
        _predict_once(service, started + PATIENCE_S)
    except BaseException:
        service.__exit__()
        raise
    return service, time.monotonic() - started


def precision(service: Service) -> str:
    """Return the precision that a running Glyph chose."""
    versions = service.get("/readyz").json()["versions"]
    return next(v["precision"] for v in versions if v["state"] == "serving")


def _command(server: Server, store: ModelStore) -> tuple[str, ...]:
    if server.kind == "glyph":
        return SERVE
    if server.kind == "naive":
        model = NAMES[server.model]
        path = store.path(model, store.latest(model) or 1)
        factory = f"tests.benchmarks.naive:create_app({server.runtime!r}, {str(path)!r})"
        return (*_GUNICORN, "--threads", "8", factory)
    return (*_GUNICORN, *_FLOORS[server.kind])


def _predict_once(service: Service, deadline: float) -> None:
    body = {"instances": [[[0] * 28] * 28]}
    while True:
        if service.process.poll() is not None:
            raise RuntimeError(f"it ended at once:\n{service.log.read_text()[-2000:]}")
        try:
            service.predict(body).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return
