"""The private directory of one running service: its socket, its counters.

It lies on a tmpfs where there is one. The gunicorn master makes it before it forks and removes it
at the end; every other process finds it through the environment. A directory that was there before
may hold what is another's: nothing but the service's own is touched in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

RUN_DIR = "GLYPH_RUN_DIR"
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
HOST_SOCKET = "host.sock"
FRESH_SOCKET = "host.sock.new"
"""The host's socket, before it takes the name."""
HOST_STARTS = "host-starts"
HOST_JOURNAL = "host-journal.json"
"""What one host leaves for the next."""
HOST_COMPUTING = "host-computing"
"""Whose batch was begun last."""
HOST_CRASH = "host-crash"
"""What the interpreter wrote of a fatal signal in the host."""
LIMITS = "limits"
"""How often each caller asked, for all web workers."""
METRICS = "metrics"
_OWNER = "_GLYPH_RUN_DIR_OWNER"


def make_run_dir(wanted: Path | None) -> Path:
    """Make the directory, once per master process, and name it in the environment.

    The metrics directory in it is wiped, since counters of dead processes must not be added up.
    """
    if os.environ.get(_OWNER) == str(os.getpid()):
        return current_run_dir()  # the configuration is being read again
    if wanted is None:
        run_dir = Path(tempfile.mkdtemp(prefix="glyph-", dir=_tmpfs()))
    else:
        run_dir = wanted
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    metrics = run_dir / METRICS
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(mode=0o700)
    for name in (HOST_STARTS, HOST_JOURNAL, HOST_COMPUTING, HOST_CRASH, LIMITS):
        (run_dir / name).unlink(missing_ok=True)
    os.environ[RUN_DIR] = str(run_dir)
    os.environ[METRICS_DIR] = str(metrics)
    os.environ[_OWNER] = str(os.getpid())
    return run_dir


def current_run_dir() -> Path:
    """Give the directory of the service this process belongs to."""
    return Path(os.environ[RUN_DIR])


def remove_run_dir() -> None:
    """Delete the service's files, and the directory if that leaves it empty.

    Only the master that made it does.
    """
    if os.environ.get(_OWNER) != str(os.getpid()):
        return
    run_dir = current_run_dir()
    shutil.rmtree(run_dir / METRICS, ignore_errors=True)
    for name in (
        HOST_SOCKET,
        FRESH_SOCKET,
        HOST_STARTS,
        HOST_JOURNAL,
        HOST_COMPUTING,
        HOST_CRASH,
        LIMITS,
    ):
        (run_dir / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or not ours to remove
        run_dir.rmdir()


def _tmpfs() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - mkdtemp is private
