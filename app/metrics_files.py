"""The web workers' counters on disk: one file per kind holds what dead workers counted.

Without it every worker that ever lived would leave files, to be read at every scrape.
"""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

_SUMS = ("counter", "histogram")


@contextlib.contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    """Keep files from being joined while they are read, lest a count be missed or seen twice."""
    with _locked(directory, fcntl.LOCK_SH):
        yield


def join_dead(directory: Path, living: Container[int]) -> None:
    """Add dead workers' files to the one that is kept, unless they are being read: then later.

    Args:
        directory: Where prometheus_client keeps its files.
        living: Process ids of the workers that still write theirs.
    """
    from prometheus_client import mmap_dict  # noqa: PLC0415 - its place must be known first

    counts: Any = mmap_dict.MmapedDict  # it has no types
    with contextlib.suppress(BlockingIOError), _locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for path in directory.glob("*.db"):
            kind, _, pid = path.stem.rpartition("_")
            if kind not in _SUMS or not pid.isdigit() or int(pid) in living:
                continue
            sums = counts(str(directory / f"{kind}_dead.db"))
            for key, value, timestamp, _ in counts.read_all_values_from_file(str(path)):
                sums.write_value(key, sums.read_value(key)[0] + value, timestamp)
            sums.close()
            path.unlink()


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    with (directory / "lock").open("a") as stream:
        fcntl.flock(stream, how)
        yield
