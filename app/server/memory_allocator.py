"""The C library's memory allocator, told to return large blocks to the system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
"""Of `mallopt`, see man mallopt."""
_LARGE_BYTES = 4 * 2**20
"""Blocks of more are the bodies of few requests, and what they are parsed into."""


def return_large_blocks() -> None:
    """Have each large block mapped by itself, here and in every process that is forked from here.

    By default, glibc keeps blocks of up to 32 MiB for reuse once one of that size was freed, and
    does so for each thread: after bad requests of 8 MB, a web worker held 60 MiB more.
    Other C libraries have no such setting, and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
