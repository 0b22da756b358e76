"""A web worker's parts, put together by the settings."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app.config.run_dir import METRICS_DIR
from app.ipc.status import HostStatus, ModelStatus
from app.server.assembly import WebParts
from tests.in_process import InstantChannel, Request, ask, serving
from tests.loop_thread import LoopThread

SAFETY_S = 10
MODEL = ModelStatus(name="shapes", ready=True, reason=None, default=3, versions=(serving(3),))
JSON = Request(
    "/predict",
    b'{"instances": [[[7, 0], [0, 255]]]}',
    (("content-type", "application/json"),),
)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """Name one, as the master does."""
    monkeypatch.setenv("GLYPH_RUN_DIR", str(tmp_path))
    monkeypatch.setenv(METRICS_DIR, str(tmp_path / "metrics"))
    (tmp_path / "metrics").mkdir()
    return tmp_path


@pytest.fixture
def loop():
    interval = sys.getswitchinterval()
    loop = LoopThread(asyncio.new_event_loop)
    yield loop
    loop.close()
    sys.setswitchinterval(interval)


class Channel(InstantChannel):
    """Connects to nobody."""

    def __init__(self, *_options, **_named) -> None:
        super().__init__(HostStatus.of(MODEL))

    def start(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def make(run_dir, loop, monkeypatch):  # noqa: ARG001 - it must be named
    """Return a function that puts the parts together before a host that answers at once."""
    monkeypatch.setattr("app.server.assembly.HostChannel", Channel)
    return lambda: WebParts(loop.loop)


def test_a_fault_of_writing_metrics_is_logged_and_survived(make, loop, monkeypatch, caplog):
    """A worker whose counts are never written again would look idle."""
    monkeypatch.setattr("app.web.http.repeating_task._PAUSE_S", 0.001)
    parts, faults, written = make(), [0], threading.Event()
    write = lambda: 1 / faults.pop() if faults else written.set()  # noqa: E731
    monkeypatch.setattr(parts._metrics, "write", write)
    loop.call(parts.start)
    assert written.wait(SAFETY_S)
    loop.call(parts.stop)

    assert ["writing metrics continues after an error"] == caplog.messages


def test_without_the_fast_path_flask_answers_the_same(make, loop, monkeypatch):
    """Byte for byte."""
    answers, by_flask = {}, []
    for setting in ("on", "off"):
        monkeypatch.setenv("GLYPH_FAST_PATH", setting)
        parts = make()
        parts.flask.before_request(partial(by_flask.append, setting))
        answers[setting] = asyncio.run_coroutine_threadsafe(ask(parts.front, JSON), loop.loop)

    on, off = (answer.result(SAFETY_S) for answer in answers.values())
    assert 200 == on.status
    assert on == off
    assert ["off"] == by_flask


def test_flask_by_itself_writes_its_counts_at_its_end(run_dir):
    """However short it lived."""
    program = "from app.wsgi import app; app.test_client().get('/healthz')"
    subprocess.run([sys.executable, "-c", program], check=True)
    (file,) = (run_dir / "metrics").glob("counter_*.db")
    counted = {key for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)) if value}

    assert [key for key in counted if "/healthz" in key]
