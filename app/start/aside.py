"""Ask a question in a process of its own, which ends with the answer."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BYTES = 4096
"""What a pipe takes at once."""


def ask_aside(question: Callable[[], str | None], patience_s: float) -> str | None:
    """Return the answer; None where there is none in time, or the question fails.

    Args:
        question: Called in a child of this process, which must have no other threads.
        patience_s: How long to wait.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(writing, (question() or "").encode(errors="backslashreplace")[:_MOST_BYTES])
        os._exit(0)
    os.close(writing)
    how = 0
    try:
        if not select.select([reading], [], [], patience_s)[0]:
            os.kill(child, signal.SIGKILL)
            how = os.WNOHANG  # a file system that hangs may hold it even so
            return None
        return os.read(reading, _MOST_BYTES).decode(errors="replace") or None
    finally:
        os.close(reading)
        os.waitpid(child, how)
