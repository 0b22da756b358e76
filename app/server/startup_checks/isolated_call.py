"""Runs a function in a process of its own, so that its imports are not inherited.

The master starts every other process by a fork. A library that it has imported is in all of them,
with its threads gone, its locks as they were and its global state shared.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 30.0


class IsolatedCallError(OSError):
    """Raised when the function did not finish."""


def call_isolated(work: Callable[[], Any], patience_s: float = _PATIENCE_S) -> Any:
    """Call a function in a process of its own, which ends with it.

    Args:
        work: Returns what JSON can hold; this process must have no other threads.
        patience_s: Timeout. A file system that hangs may hold the process for longer.

    Raises:
        IsolatedCallError: If it raised, ended otherwise, or took too long; its traceback is on
            stderr.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(work, writer)
    os.close(writer)
    try:
        answer = _read(reader, time.monotonic() + patience_s)
    except IsolatedCallError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, os.WNOHANG)
        raise
    finally:
        os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        raise IsolatedCallError(f"a check in a process of its own ended with {code}")
    return json.loads(answer)


def _read(reader: int, end: float) -> bytes:
    """Read all that is written until the writer is closed."""
    answer = b""
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        data = os.read(reader, 65536)
        if not data:
            return answer
        answer += data
    raise IsolatedCallError("a check in a process of its own took too long")


def _work(work: Callable[[], Any], writer: int) -> None:
    """Do the work, and end: nothing of the process that was forked is cleaned up here."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        answer = memoryview(json.dumps(work()).encode())
        while answer:
            answer = answer[os.write(writer, answer) :]
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)
