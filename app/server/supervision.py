"""Wrappers of gunicorn's master and arbiter, so that no failure around them ends the service."""

from __future__ import annotations

import mmap
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config.run_dir import ARBITER, current_run_dir, restore_run_dir
from app.config.writable_directories import (
    SHARED_MEMORY,
    NowhereToWriteError,
    first_writable,
    usual_places,
)
from app.server.interrupts import spawn_without_interrupts
from app.server.spawning import Spawning

if TYPE_CHECKING:
    from collections.abc import Callable

END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""That a web worker is told to end by."""
_LONGEST_PLACE = 66
"""The arbiter binds sockets of up to 41 characters more, and 107 are possible."""


class Supervision:
    """Prepares every start of a process, in the master and in the arbiter that it forks."""

    def __init__(self) -> None:
        self._booted = mmap.mmap(-1, 1)
        """Shared by all processes: whether a web worker ever came as far as to serve."""
        self._web: Spawning | None = None
        self._host: Spawning | None = None

    def of_master(self, server: Any) -> None:
        """Stand between gunicorn's master and the starts of its children."""
        prepare = partial(_prepare, server.cfg)
        notify = server.log.error
        spawn = partial(_spawn_holding_signals, server.spawn_worker)
        self._web = Spawning(spawn, "a web worker", prepare=prepare, notify=notify)
        server.spawn_worker = self._web
        server.spawn_dirty_arbiter = Spawning(
            partial(spawn_without_interrupts, server.spawn_dirty_arbiter),
            "the model host's supervisor",
            prepare=partial(_prepare_arbiter, server.cfg),
            notify=notify,
            alone=True,
        )

    def of_arbiter(self, arbiter: Any) -> None:
        """Stand between the arbiter and the starts of the model host."""
        prepare = partial(_prepare_host, arbiter)
        notify = arbiter.log.error
        self._host = Spawning(
            arbiter.spawn_worker, "the model host", prepare=prepare, notify=notify
        )
        arbiter.spawn_worker = self._host

    def begins(self, worker: Any) -> None:
        """Record the start time of a process, in its parent."""
        worker.born = time.monotonic()

    def starts(self, worker: Any) -> None:
        """Prepare a web worker, in its own process.

        One that cannot start ends the whole service, unless it is known that web workers can: then
        what it lacks may be there again for the next one.
        """
        worker.booted = self._booted[0] == 1
        settle_temporary_files()

    def serves(self) -> None:
        """Record that a web worker serves."""
        self._booted[0] = 1

    def web_worker_ended(self, server: Any, worker: Any) -> None:
        """Record a web worker's end, in the master; a surplus one after SIGHUP is no failure."""
        missed = len(server.WORKERS) < server.num_workers
        if self._web is not None and missed and server.LISTENERS:  # none while the service ends
            self._web.ended(worker.born)

    def host_ended(self, arbiter: Any, worker: Any) -> None:
        """Record the model host's end, in the arbiter."""
        if self._host is not None and arbiter.alive:
            self._host.ended(worker.born)


def settle_temporary_files() -> None:
    """Have temporary files made where that is possible: a disk first, since they may be large."""
    with suppress(NowhereToWriteError):
        tempfile.tempdir = str(first_writable([*usual_places()[1:], SHARED_MEMORY]))


def _spawn_holding_signals(spawn: Callable[[], int | None]) -> int | None:
    """Start a web worker that gets signals only once its event loop runs and handles them.

    Until then the master's handlers would note it in the worker's copy of the master's queue, and
    uvloop drops what comes before it runs. The master says so only once when the service ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    try:
        return spawn()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(cfg: Any) -> None:
    """Create the files that every process needs: the run directory, and room for its heartbeat."""
    restore_run_dir()
    heartbeats = first_writable([SHARED_MEMORY, current_run_dir(), *usual_places()])
    cfg.set("worker_tmp_dir", str(heartbeats))


def _prepare_host(arbiter: Any) -> None:
    """Create the directory of the host's own socket for gunicorn; a cleaner may have removed it."""
    _prepare(arbiter.cfg)
    Path(arbiter.tmpdir).mkdir(mode=0o700, parents=True, exist_ok=True)


def _prepare_arbiter(cfg: Any) -> None:
    """Prepare the arbiter's sockets; remove those of killed arbiters."""
    _prepare(cfg)
    own = current_run_dir() / ARBITER
    own.mkdir(mode=0o700, exist_ok=True)
    for left in own.glob("gunicorn-dirty-*/"):
        shutil.rmtree(left, ignore_errors=True)
    places: list[Path] = [own] if len(str(own)) <= _LONGEST_PLACE else []
    tempfile.tempdir = str(first_writable([*places, *usual_places()]))
