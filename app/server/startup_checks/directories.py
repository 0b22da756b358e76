"""Check the directories that settings name, and the store, which may be a URL."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from app.config.run_dir import FRESH_SOCKET
from app.config.wrong_settings import WrongSettingError
from app.server.startup_checks.isolated_call import IsolatedCallError, call_isolated
from app.server.startup_checks.sockets import check_socket_path
from model_store import StoreError, open_store

_PATIENCE_S = 10.0
_NEVER = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path that cannot be right; others, such as of a share that is away, may pass."""
_SCHEME_ALONE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//)")


def check_store(location: str) -> None:
    """Check the location of the store; a store that is unreachable for now passes.

    A process of its own checks it, so that what an object store imports does not stay in this one,
    and a file system that hangs does not hold the start.

    Raises:
        WrongSettingError: If there can never be a store.
    """
    if _SCHEME_ALONE.match(location) or location.startswith("://"):
        expected = "expected is a path, or s3://bucket/models"
        raise WrongSettingError("store", location, f"is neither a directory nor a URL; {expected}")
    check = _problem_of_url if "://" in location else _problem_of_path
    try:
        problem = call_isolated(lambda: check(location), _PATIENCE_S)
    except IsolatedCallError:  # the store hangs, which may pass
        return
    if problem is not None:
        raise WrongSettingError("store", location, problem)


def check_cache_dir(path: Path | None, *, used: bool) -> None:
    """Check the cache directory for versions from a URL.

    Args:
        path: The directory; None is the user's own.
        used: Whether the store is a URL: otherwise nothing is written.

    Raises:
        WrongSettingError: If it is no directory and cannot become one.
    """
    if path is None:
        return
    problem = _problem_of_path(path) or (_problem_of_writing(path) if used else None)
    if problem:
        raise WrongSettingError("cache_dir", path, problem)


def check_run_dir(path: Path | None) -> None:
    """Make the directory for the socket and the counters, and check it.

    Raises:
        WrongSettingError: If it cannot be made or written to, or no socket fits into it.
    """
    if path is None:
        return
    problem = check_socket_path(path / FRESH_SOCKET) or _problem_of_path(path)
    if problem is None:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            problem = _problem_of_writing(path)
        except OSError as exc:
            problem = f"cannot be made: {exc.strerror}; choose another directory"
    if problem is not None:
        raise WrongSettingError("run_dir", path, problem)


def _problem_of_url(url: str) -> str | None:
    try:
        open_store(url)
    except StoreError as exc:
        return str(exc).removeprefix(f"{url}: ")
    return None


def _problem_of_path(path: str | Path) -> str | None:
    try:
        mode = Path(path).stat().st_mode
    except OSError as exc:
        return f"{exc.strerror}; a directory is expected" if exc.errno in _NEVER else None
    return None if stat.S_ISDIR(mode) else "is no directory, and one is expected"


def _problem_of_writing(path: Path) -> str | None:
    """Return why a directory cannot be made or written to; None where it can."""
    parts = (path.absolute(), *path.absolute().parents)
    there = next(part for part in parts if _is_there(part))
    if os.access(there, os.W_OK | os.X_OK):
        return None
    return f"{there} is not writable for this user; choose another directory"


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # also where a directory above it is closed to this user
        return False
    return True
