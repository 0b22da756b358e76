"""The web workers' counters on disk: one file per kind holds what dead workers counted.

Without it every worker that ever lived would leave files, to be read at every scrape. Web workers
join them, once a second. The master must not: every later process inherits
what it imports.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.telemetry.counter_files import ReservedCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SUMS = ("counter", "histogram")
_TRIES = 50
_TRY_EVERY_S = 0.01
"""Files are joined within a few milliseconds."""


@contextlib.contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    """Keep files from being joined while they are read, lest a count be missed or seen twice.

    A process that joins them and is stopped meanwhile is not waited for.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(_TRIES):
            try:
                stack.enter_context(_locked(directory, fcntl.LOCK_SH | fcntl.LOCK_NB))
            except BlockingIOError:
                time.sleep(_TRY_EVERY_S)
            else:
                break
        yield


def is_sibling(pid: int) -> bool:
    """Return whether a process runs that has this one's parent, as every other web worker has."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return False
    return state != "Z" and int(parent) == os.getppid()


def join_dead(directory: Path, lives: Callable[[int], bool] = is_sibling) -> None:
    """Add dead workers' files to the one that is kept, unless they are being read: then later.

    What dead workers were doing is over, so their gauges are removed.

    Args:
        directory: Where prometheus_client keeps its files.
        lives: Whether a worker of this process id still writes its files.

    Raises:
        OSError: If there is no room for the sums, or the directory is gone.
    """
    with contextlib.suppress(BlockingIOError), _locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for path in directory.glob("*.db"):
            kind, _, pid = path.stem.rpartition("_")
            if not pid.isdigit() or lives(int(pid)):
                continue
            if kind in _SUMS:
                _add(path, directory / f"{kind}_dead.db")
            path.unlink()


def _add(path: Path, kept: Path) -> None:
    """Add the values of a file to those that are kept: all, or none where there is no room."""
    found = ReservedCounts.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    with contextlib.closing(ReservedCounts(str(kept))) as sums:
        totals = [(key, sums.read_value(key)[0] + value, time) for key, value, time, _ in found]  # type: ignore[no-untyped-call]
        for total in totals:
            sums.write_value(*total)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
