"""The requests of each caller, counted over all web workers.

A file that every worker maps into its memory: a fixed number of slots, so it cannot grow. Callers
that find all their slots in use replace the count that would end first.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

SLOTS = 8192
_WAYS = 8
"""A count lies in one of so many slots, which are searched."""
_SLOT = struct.Struct("=16sdQ")
"""Digest of the caller, when the count ends, the count."""
_BYTES = SLOTS * _SLOT.size
_TRIES = 100
"""How often a lock that another worker holds, for microseconds, is tried. One that was stopped
while it held it must not stop the rest: a request too many is let in then."""


class SharedCounts:
    """Fixed windows: each begins with a caller's first request, and ends some time later."""

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        """Open the counts, or make them.

        Args:
            path: The file, on a tmpfs; None is memory of this process alone, and so is a file for
                which there is no room.
            clock: Monotonic seconds, the same ones in every process.
        """
        self._clock = clock
        self._file = _open(path)
        self._memory = mmap.mmap(self._file, _BYTES)
        self._lock = threading.Lock()
        """Beside the file's, which all threads of a process hold together."""

    def add(self, caller: str, window_s: float) -> tuple[int, float]:
        """Count a request.

        Args:
            caller: Name of the caller.
            window_s: Seconds that a window lasts.

        Returns:
            The count of its window, and in how many seconds that ends.
        """
        name, now = _digest(caller), self._clock()
        with self._locked():
            slot, ends, count = self._find(name, now)
            if ends <= now:
                ends, count = now + window_s, 0
            count += 1
            _SLOT.pack_into(self._memory, slot, name, ends, count)
        return count, ends - now

    def get(self, caller: str) -> int:
        """Return a caller's count."""
        now = self._clock()
        _, ends, count = self._find(_digest(caller), now)
        return count if ends > now else 0

    def close(self) -> None:
        """Close the file and its memory."""
        self._memory.close()
        os.close(self._file)

    def _find(self, name: bytes, now: float) -> tuple[int, float, int]:
        """Return a caller's slot, the end of its window and its count; else the slot to take."""
        start = int.from_bytes(name[:4], "little") % (SLOTS // _WAYS) * _WAYS * _SLOT.size
        free, soonest = start, float("inf")
        for slot in range(start, start + _WAYS * _SLOT.size, _SLOT.size):
            found, ends, count = _SLOT.unpack_from(self._memory, slot)
            if found == name:
                return slot, ends, count
            if ends < soonest:
                free, soonest = slot, ends
        return free, now, 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            for _ in range(_TRIES):
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    os.sched_yield()
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


def _open(path: Path | None) -> int:
    if path is not None:
        try:
            return _reserve(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as exc:
            log.error("rate limits are counted by this web worker alone: %s: %s", path, exc)  # noqa: TRY400 - no bug
    return _reserve(os.memfd_create("glyph-limits", os.MFD_CLOEXEC))


def _reserve(file: int) -> int:
    """Set room aside: a page of the map without any would end the process."""
    try:
        os.posix_fallocate(file, 0, _BYTES)
    except OSError:
        os.close(file)
        raise
    return file


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
