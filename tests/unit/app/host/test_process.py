"""The model host as gunicorn's arbiter sees it."""

from __future__ import annotations

import os
import signal
from threading import Event
from types import SimpleNamespace

import pytest

from app.host import process, service
from app.host.process import ModelHost

ARBITER = 10


class FakeService:
    """Notes what the process makes of it."""

    made: list[FakeService]

    def __init__(self, settings, run_dir) -> None:
        self.settings = settings
        self.run_dir = run_dir
        self.calls: list[str] = []
        self.journal = SimpleNamespace(catch_crashes=lambda: None)
        self.environment = dict(os.environ)
        self.made.append(self)

    def start(self):
        self.calls.append("start")

    def waited_for_core_s(self):
        return 0.0

    def close(self):
        self.calls.append("close")

    def give_up(self):
        self.calls.append("give up")

    def heartbeats(self):
        return 0


class ThreadAtOnce:
    """Runs what a thread would, at once."""

    def __init__(self, target, args, **_options) -> None:
        self.start = lambda: target(*args)


@pytest.fixture
def services(monkeypatch, tmp_path):
    """Return the list of services that were made."""
    monkeypatch.setattr(FakeService, "made", [], raising=False)
    monkeypatch.setattr(service, "HostService", FakeService)
    monkeypatch.setattr(process, "_watch", lambda *_: None)
    monkeypatch.setattr(process, "_send_heartbeats", lambda notify: notify())
    names = {"GLYPH_RUN_DIR": str(tmp_path), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    monkeypatch.setattr(os, "environ", os.environ | names | {"GLYPH_MODEL": "shapes"})
    return FakeService.made


def test_it_starts_with_the_settings_in_the_run_directory(services, tmp_path):
    """And is closed with the process."""
    host = ModelHost()
    host.begin(lambda: None, ARBITER)
    host.close()

    (made,) = services
    assert ("shapes", tmp_path) == (made.settings.model, made.run_dir)
    assert ["start", "close"] == made.calls


def test_its_counts_are_not_for_the_web_workers_files(services):
    """prometheus_client must not find their directory when it is imported."""
    ModelHost().begin(lambda: None, ARBITER)

    assert "PROMETHEUS_MULTIPROC_DIR" not in services[0].environment


def test_an_arbiter_that_died_while_the_host_started_is_noticed(services, monkeypatch):
    """It is watched for by the process that started the host, and not by the parent of now."""
    watched = []
    monkeypatch.setattr(process, "_watch", lambda arbiter, *_: watched.append(arbiter))

    monkeypatch.setattr(process, "threading", SimpleNamespace(Thread=ThreadAtOnce, Event=Event))
    ModelHost().begin(lambda: None, ARBITER)

    assert [ARBITER] == watched
    assert 1 == len(services)


def test_its_heart_beats_before_anything_is_imported(services, monkeypatch):
    """What takes longer than a heartbeat may be the import."""
    monkeypatch.setattr(process, "threading", SimpleNamespace(Thread=ThreadAtOnce, Event=Event))
    made = []
    ModelHost().begin(lambda: made.append(len(services)), ARBITER)

    assert [0] == made


def test_its_heart_beats_on(monkeypatch):
    """Until the process ends."""
    heartbeats, pauses = [], iter([1, 2, 3])
    monkeypatch.setattr(process, "time", SimpleNamespace(sleep=lambda _seconds: next(pauses)))
    with pytest.raises(StopIteration):
        process._send_heartbeats(lambda: heartbeats.append("beat"))

    assert ["beat"] * 4 == heartbeats


def test_closing_before_the_start_does_nothing():
    """A host that failed to start is closed as well."""
    ModelHost().close()


def test_it_answers_on_its_own_socket_only():
    """The arbiter handles one call at a time."""
    with pytest.raises(NotImplementedError, match="not to 'predict'"):
        ModelHost()("predict", 1)


class Ended(BaseException):
    """Raised where the process would end."""


class FakeProcess:
    """Stands for `os`: parents as told, and what is done to the process."""

    def __init__(self, *parents: int) -> None:
        self._parents = iter(parents)
        self.done: list[tuple] = []
        self.deaf = 1
        """How many signals it takes until the process closes."""

    def getppid(self):
        return next(self._parents)

    def getpid(self):
        return 11

    def kill(self, pid, number):
        self.done.append(("kill", pid, number))

    def _exit(self, code):
        self.done.append(("exit", code))
        raise Ended


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs the watchdog in a process with a given behaviour."""
    monkeypatch.setattr(process, "time", SimpleNamespace(sleep=lambda _seconds: None))

    def watch(fake, *reasons):
        monkeypatch.setattr(process, "os", fake)
        looks = iter(reasons)
        watchdog = SimpleNamespace(check=lambda: next(looks))
        closing = SimpleNamespace(wait=lambda _seconds: len(fake.done) >= fake.deaf)
        process._watch(ARBITER, watchdog, lambda: fake.done.append(("stop",)), closing)

    return watch


def test_it_ends_when_its_arbiter_was_killed(run):
    """A new arbiter starts a new host; two would share one socket's name."""
    fake = FakeProcess(10, 10, 1)
    run(fake, None, None)

    assert [("kill", 11, signal.SIGTERM)] == fake.done


def test_a_signal_that_was_forgotten_is_sent_again(run):
    """One that comes while the host starts may be: the host would live on for good."""
    fake = FakeProcess(1)
    fake.deaf = 3
    run(fake)

    assert [("kill", 11, signal.SIGTERM)] * 3 == fake.done


def test_it_ends_when_it_must(run, caplog):
    """After the batch in progress, with the reason in the log."""
    fake = FakeProcess(10, 10)
    with pytest.raises(Ended):
        run(fake, None, "it is stuck")

    assert [("stop",), ("exit", 1)] == fake.done
    assert ["the model host ends, and another is started: it is stuck"] == caplog.messages
