"""Threads that do the same at once, and get in each other's way as often as may be."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
THREADS = 8


def at_once(work: Callable[[], T], threads: int = THREADS) -> list[T]:
    """Call a function in several threads; gives what each returned."""
    start = threading.Barrier(threads)

    def begin() -> T:
        start.wait()
        return work()

    with _impatient(), ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(begin) for _ in range(threads)]]


@contextmanager
def _impatient() -> Iterator[None]:
    """Have threads take turns after every few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
