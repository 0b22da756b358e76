"""The starter version, its golden images, and stores that hold copies of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from app.config.settings import Settings
from app.host.service import HostService
from model_store import Golden
from model_store.operations.starter import STARTER
from tests.integration.app.asking_worker import AskingWorker
from tests.loop_thread import LoopThread
from tests.starter_store import MODEL, StarterStore

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SAFETY_S = 60
"""How long anything may take before a test gives up; nothing takes that long."""


def soon() -> float:
    return time.monotonic() + SAFETY_S


class Host:
    """A host in this process, and one web worker that asks it."""

    def __init__(self, loop: LoopThread, settings: Settings, run_dir) -> None:
        self.service = HostService(settings, run_dir)
        self.service.start()
        self.worker = AskingWorker(loop, run_dir, settings.largest_frame_bytes)

    def close(self) -> None:
        self.worker.close()
        self.service.close()

    @property
    def mnist(self):
        return self.worker.status.default

    @property
    def states(self) -> dict[int, str]:
        return {v.version: v.state for v in self.mnist.versions}

    def until(self, **states: str) -> None:
        """Wait until these are the versions there are: v1="serving"."""
        expected = {int(name[1:]): state for name, state in states.items()}
        while expected != self.states:
            time.sleep(0.01)

    def until_default(self, version: int) -> None:
        while self.mnist.default != version:
            time.sleep(0.01)

    def predict(self, images: np.ndarray, **which):
        return self.worker.predict(len(images), images.tobytes(), soon(), **which)

    def ask(self, action: str, **fields) -> dict:
        request = {"action": action, "model": MODEL, "by": "ann"} | fields
        return self.worker.admin(request, soon())

    def metric(self, name: str, **labels: str) -> float:
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        head = f"{name}{{{inside}}} " if labels else f"{name} "
        lines = self.worker.metrics(soon()).decode().splitlines()
        return next(float(line.removeprefix(head)) for line in lines if line.startswith(head))


@pytest.fixture(scope="session")
def starter() -> Path:
    return STARTER / MODEL / "1"


@pytest.fixture(scope="session")
def golden(starter) -> Golden:
    return Golden.read(starter)


@pytest.fixture
def store(tmp_path) -> StarterStore:
    """Return an empty store."""
    return StarterStore(tmp_path / "models")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(("GLYPH_", "PROMETHEUS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def loop():
    """Return an event loop in a thread of its own, for the code of web workers."""
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def start(loop, tmp_path, store):
    """Return a function that starts a host on the test's store."""
    running = []

    def run(**changes) -> Host:
        store.seed_as_passed()
        settings = Settings(
            **{
                "store": str(store.root),
                "runtime": "openvino",
                "precision": "f32",
                "max_batch": 8,
                "poll_interval_s": 0.05,
                "graceful_timeout_s": 1,
            }
            | changes
        )
        running.append(Host(loop, settings, tmp_path))
        return running[-1]

    yield run
    for host in running:
        host.close()
