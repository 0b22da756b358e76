"""The model host as gunicorn's arbiter sees it."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

from app.host import process, service
from app.host.process import ModelHost


class FakeService:
    """Notes what the process makes of it."""

    made: list[FakeService]

    def __init__(self, settings, run_dir) -> None:
        self.settings = settings
        self.run_dir = run_dir
        self.calls: list[str] = []
        self.environment = dict(os.environ)
        self.made.append(self)

    def start(self):
        self.calls.append("start")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def services(monkeypatch, tmp_path):
    """Give the list of services that were made."""
    monkeypatch.setattr(FakeService, "made", [], raising=False)
    monkeypatch.setattr(service, "HostService", FakeService)
    monkeypatch.setattr(process, "_end_with", lambda _parent: None)
    names = {"GLYPH_RUN_DIR": str(tmp_path), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    monkeypatch.setattr(os, "environ", os.environ | names | {"GLYPH_MODEL": "shapes"})
    return FakeService.made


def test_it_starts_with_the_settings_in_the_run_directory(services, tmp_path):
    """And is closed with the process."""
    host = ModelHost()
    host.init()
    host.close()

    (made,) = services
    assert ("shapes", tmp_path) == (made.settings.model, made.run_dir)
    assert ["start", "close"] == made.calls


def test_its_counts_are_not_for_the_web_workers_files(services):
    """prometheus_client must not find their directory when it is imported."""
    ModelHost().init()

    assert "PROMETHEUS_MULTIPROC_DIR" not in services[0].environment


def test_closing_before_the_start_does_nothing():
    """A host that failed to start is closed as well."""
    ModelHost().close()


def test_it_answers_on_its_own_socket_only():
    """The arbiter handles one call at a time."""
    with pytest.raises(NotImplementedError, match="not to 'predict'"):
        ModelHost()("predict", 1)


def test_it_ends_when_its_arbiter_was_killed(monkeypatch):
    """A new arbiter starts a new host; two would share one socket's name."""
    parents = iter([10, 10, 1])
    killed = []
    fake = SimpleNamespace(
        getppid=lambda: next(parents),
        getpid=lambda: 11,
        kill=lambda pid, number: killed.append((pid, number)),
    )
    monkeypatch.setattr(process, "os", fake)
    monkeypatch.setattr(process, "time", SimpleNamespace(sleep=lambda _seconds: None))
    process._end_with(10)

    assert [(11, signal.SIGTERM)] == killed
