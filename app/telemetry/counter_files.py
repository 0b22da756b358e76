"""Files that prometheus_client counts in, made safe for a file system that is full or goes away.

The library maps files whose room nobody has set aside. Writing to a page for which there is no
room ends the process with SIGBUS, without a word. Here room is set aside before a page is mapped,
so that a full file system is an OSError. Meanwhile the counts stay in memory, and each is in the
file again when it next changes.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)

_FIRST_BYTES = 1 << 16
_ENTRY_BYTES = 32
"""At most so many beside the key: its length, padding, value and time."""
_LOG_EVERY_S = 60.0


class ReservedCounts(MmapedDict):
    """The library's file, which raises OSError where there is no room."""

    def __init__(self, filename: str) -> None:
        """Open a file, or create it whole.

        Raises:
            OSError: If there is no room for it, or its directory is gone.
        """
        with suppress(FileExistsError):
            _create(Path(filename))
        super().__init__(filename)  # type: ignore[no-untyped-call]

    @property
    def removed(self) -> bool:
        """Return whether the file has been unlinked."""
        return os.fstat(self._f.fileno()).st_nlink == 0

    def _init_value(self, key: str) -> None:
        needed, capacity = self._used + len(key.encode()) + _ENTRY_BYTES, self._capacity
        while capacity < needed:
            capacity *= 2
        if capacity > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class LastingCounts:
    """What prometheus_client takes for its file; it outlives a full or missing directory."""

    _logged = -_LOG_EVERY_S

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._file: ReservedCounts | None = None

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a value and its time; 0 where the file cannot hold it."""
        try:
            return self._opened().read_value(key)  # type: ignore[no-untyped-call,no-any-return]
        except OSError as exc:
            self._log_problem(exc)
            return 0.0, 0.0

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Write a value, if the file can hold it."""
        try:
            self._opened().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
        except OSError as exc:
            self._log_problem(exc)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()  # type: ignore[no-untyped-call]
            self._file = None

    def _opened(self) -> ReservedCounts:
        if self._file is not None and self._file.removed:
            self.close()
        if self._file is None:
            Path(self._filename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = ReservedCounts(self._filename)
        return self._file

    @classmethod
    def _log_problem(cls, problem: OSError) -> None:
        now = time.monotonic()
        if now - cls._logged >= _LOG_EVERY_S:
            LastingCounts._logged = now
            log.error("counters cannot be written, /metrics is incomplete: %s", problem)


def count_in_lasting_files() -> None:
    """Have the metrics that are made from now on count in files of this kind."""
    values.MmapedDict = LastingCounts  # type: ignore[assignment,attr-defined]


def _create(path: Path) -> None:
    """Create a file of zeros under its name at once, so that no reader finds an empty one."""
    if path.exists():
        raise FileExistsError(path)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, _FIRST_BYTES)
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
