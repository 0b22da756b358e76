"""The private directory of one running service: its socket, its counters.

It lies on a tmpfs where there is one. The gunicorn master makes it before it forks and removes it
at the end; every other process finds it through the environment. A directory that was there before
may hold what is another's: nothing but the service's own is touched in it. The master holds a lock
in it, which the kernel gives back when the master dies: no two services use one directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from app.config.writable_directories import check_writable, first_writable, usual_places

RUN_DIR = "GLYPH_RUN_DIR"
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
HOST_SOCKET = "host.sock"
FRESH_SOCKET = "host.sock.new"
"""The host's socket, before it takes the name."""
HOST_STARTS = "host-starts"
HOST_JOURNAL = "host-journal.json"
"""What one host leaves for the next."""
FRESH_JOURNAL = "host-journal.json.new"
"""The journal, before it takes the name."""
HOST_TROUBLE = "host-trouble"
"""Why the host cannot start."""
HOST_COMPUTING = "host-computing"
"""Whose batch was begun last."""
HOST_CRASH = "host-crash"
"""What the interpreter wrote of a fatal signal in the host."""
LIMITS = "limits"
"""How often each caller asked, for all web workers."""
API_KEYS = "api-keys"
"""The last content of the file of API keys that was good."""
ARBITER = "arbiter"
"""What gunicorn's arbiter makes for itself."""
METRICS = "metrics"
LOCK = "lock"
"""Holds the master's process id, and its lock."""
_OWNER = "_GLYPH_RUN_DIR_OWNER"
_FRESH = (
    HOST_STARTS,
    HOST_JOURNAL,
    FRESH_JOURNAL,
    HOST_TROUBLE,
    HOST_COMPUTING,
    HOST_CRASH,
    LIMITS,
    API_KEYS,
)
"""Files of one life of the service, which begins without those of another."""
_FILES = (HOST_SOCKET, FRESH_SOCKET, *_FRESH, LOCK)
_locks: list[int] = []
"""The open lock: closing it would give it back."""


class RunDirError(Exception):
    """Raised when there is no directory to run in; says why, and what to do."""


def make_run_dir(wanted: Path | None) -> Path:
    """Make the directory, once per master process, and name it in the environment.

    The metrics directory in it is wiped, since counters of dead processes must not be added up.

    Raises:
        RunDirError: If it cannot be made, cannot be written to, or is another service's.
    """
    if os.environ.get(_OWNER) == str(os.getpid()):
        return current_run_dir()  # the configuration is being read again
    try:
        run_dir = _fresh() if wanted is None else _given(wanted)
    except OSError as exc:
        if wanted is None:
            raise RunDirError(f"{RUN_DIR} is not set, and of the usual places {exc}") from exc
        problem = f"cannot be written to: {exc.strerror}"
        raise RunDirError(f"{RUN_DIR}={str(wanted)!r}: {problem}") from exc
    os.environ[RUN_DIR] = str(run_dir)
    os.environ[METRICS_DIR] = str(run_dir / METRICS)
    os.environ[_OWNER] = str(os.getpid())
    return run_dir


def make_run_dir_or_exit(wanted: Path | None) -> None:
    """Make the directory, or end the process with one line and exit code 2."""
    try:
        make_run_dir(wanted)
    except RunDirError as exc:
        print(f"glyph: {exc}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


def current_run_dir() -> Path:
    """Return the directory of the service this process belongs to."""
    return Path(os.environ[RUN_DIR])


def restore_run_dir() -> None:
    """Create the directory again if it, or parts of it, were removed.

    Raises:
        OSError: If that fails.
    """
    run_dir = current_run_dir()
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (run_dir / METRICS).mkdir(mode=0o700, exist_ok=True)
    if os.environ.get(_OWNER) == str(os.getpid()) and not (run_dir / LOCK).exists():
        _lock(run_dir)


def remove_run_dir() -> None:
    """Delete the service's files, and the directory if that leaves it empty.

    Only the master that made it does.
    """
    if os.environ.get(_OWNER) != str(os.getpid()):
        return
    run_dir = current_run_dir()
    for name in (METRICS, ARBITER):
        shutil.rmtree(run_dir / name, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty, not ours to remove, or not there any more
        for name in _FILES:
            (run_dir / name).unlink(missing_ok=True)
        run_dir.rmdir()


def _fresh() -> Path:
    place = first_writable(usual_places())
    _remove_left(place)
    run_dir = Path(tempfile.mkdtemp(prefix="glyph-", dir=place))
    _lock(run_dir)
    (run_dir / METRICS).mkdir(mode=0o700)
    return run_dir


def _given(run_dir: Path) -> Path:
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_writable(run_dir)
    _lock(run_dir)
    shutil.rmtree(run_dir / METRICS, ignore_errors=True)
    (run_dir / METRICS).mkdir(mode=0o700)
    for name in _FRESH:
        (run_dir / name).unlink(missing_ok=True)
    return run_dir


def _lock(run_dir: Path) -> None:
    """Take the directory's lock, which is this process's alone: what it forks does not share it.

    Raises:
        RunDirError: If another process holds it.
    """
    path = run_dir / LOCK
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.read(file, 32).decode(errors="replace").strip()
            os.close(file)
            if exc.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise RunDirError(
                f"{RUN_DIR}={str(run_dir)!r}: another service uses it (process {holder}); "
                "end that one, or set another directory"
            ) from exc
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                break
        os.close(file)  # its holder was ending, and has removed the file
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)
    for old in _locks:  # of a directory that was removed
        os.close(old)
    _locks[:] = [file]


def _remove_left(place: Path) -> None:
    """Remove the directories of killed services: their locks name them, and are not held."""
    for lock in place.glob(f"glyph-*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            about = os.fstat(stream.fileno())
            if about.st_uid == os.geteuid() and about.st_size and (lock.parent / METRICS).is_dir():
                shutil.rmtree(lock.parent, ignore_errors=True)
