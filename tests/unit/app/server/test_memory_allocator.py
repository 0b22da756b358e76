"""Large blocks go back to the system when they are freed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from app.server.memory_allocator import return_large_blocks

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

def mapped():
    info = ctypes.CDLL(None).mallinfo2
    info.restype = Info
    return info().hblkhd

return_large_blocks()
for _ in range(3):
    before = mapped()
    block = bytearray(8 * 2**20)
    print(mapped() - before >= 8 * 2**20)
    del block
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_large_blocks_are_mapped_however_often_they_are_freed():
    """By default, glibc keeps the second one in its heap, for a thread to use again."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True
    )

    assert ["True"] * 3 == done.stdout.split()
