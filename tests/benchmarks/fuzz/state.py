"""What a fuzzing process and the one that watches it both see: the input in hand, and counts.

It is a mapped file, so that it is there after a crash.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import TYPE_CHECKING

from tests.benchmarks.fuzz.target import MOST_BYTES

if TYPE_CHECKING:
    from pathlib import Path


OVER_MEMORY = 71
"""Exit status of the process: the input in hand took more memory than its target may."""


class _Fields(ctypes.Structure):
    """Memory: at rest, when it was looked at last, and the most that one input took."""

    _fields_ = (
        ("inputs", ctypes.c_uint64),
        ("accepted", ctypes.c_uint64),
        ("busy", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("longest_s", ctypes.c_double),
        ("resting_kib", ctypes.c_uint64),
        ("last_kib", ctypes.c_uint64),
        ("largest_kib", ctypes.c_uint64),
    )


_START = ctypes.sizeof(_Fields)


class State:
    """Counts of one process, and the input that it has in hand."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        if new:
            path.write_bytes(bytes(_START + MOST_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.fields = _Fields.from_buffer(self._map)

    def begin(self, data: bytes) -> None:
        """Note an input that is about to be decoded."""
        fields = self.fields
        fields.length = length = min(len(data), MOST_BYTES)
        self._map[_START : _START + length] = data[:length]
        fields.inputs += 1
        fields.busy = 1

    @property
    def in_hand(self) -> bytes:
        """The input that was begun last."""
        return self._map[_START : _START + self.fields.length]
