"""Starts web workers that are told to end at some stage of their start; prints how they ended.

A process of its own: gunicorn's master sets the handlers of signals, and forks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import SimpleNamespace

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

import app.server.worker
from app.config.run_dir import make_run_dir, remove_run_dir
from app.server.supervision import Supervision
from app.server.worker import WebWorker
from tests.unit.app.worker_fakes import PATIENCE_S, Parts, listen

STAGES = ("post_fork", "init_process", "init_signals", "load_wsgi", "post_worker_init", "start")


class SignalledWorker(WebWorker):
    """Gets a signal at one stage."""

    number = 0
    stage = ""

    def at(self, stage: str) -> None:
        if stage == self.stage:
            os.kill(os.getpid(), self.number)

    def init_process(self) -> None:
        self.at("init_process")
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        self.at("init_signals")

    def load_wsgi(self) -> None:
        self.at("load_wsgi")
        self._parts = Parts()
        self._parts.start = lambda: self.at("start")


class Application(BaseApplication):
    """Configures the master."""

    def load_config(self) -> None:
        self.cfg.set("worker_class", SignalledWorker)
        self.cfg.set("asgi_loop", "uvloop")
        self.cfg.set("post_fork", lambda _server, worker: worker.at("post_fork"))
        self.cfg.set("post_worker_init", lambda worker: worker.at("post_worker_init"))


def end_of(master: Arbiter) -> int | None:
    """Return how a worker ended; None if it did not."""
    pid = master.spawn_worker()
    end = time.monotonic() + PATIENCE_S / 5
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main() -> None:
    """Try a signal at every stage."""
    SignalledWorker.number = signal.Signals[sys.argv[1]]
    master = Arbiter(Application())
    master.pid = os.getpid()
    app.server.worker._UNREADY_S = 0.0
    make_run_dir(None)
    listener = listen()
    master.LISTENERS = [
        SimpleNamespace(sock=listener, close=listener.close, fileno=listener.fileno)
    ]
    Supervision().of_master(master)
    master.init_signals()
    found = {}
    for SignalledWorker.stage in STAGES:
        found[SignalledWorker.stage] = end_of(master)
    blocked = len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    remove_run_dir()
    sys.stdout.write(json.dumps({"ended": found, "blocked in the master": blocked}))


if __name__ == "__main__":
    main()
