"""Work that is done beside this process, so that what it imports is not inherited.

The master starts every other process by a fork. A library that it has imported is in all of them,
with its threads gone, its locks as they were and its global state shared.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_S = 30


class AsideError(OSError):
    """Raised when the work came to no end."""


def aside(work: Callable[[], Any]) -> Any:
    """Call a function in a process of its own, which ends with it.

    Args:
        work: Returns what JSON can hold.

    Raises:
        AsideError: If it raised, ended otherwise, or took too long; its traceback is on stderr.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        raise AsideError(f"a check in a process of its own ended with {code}")
    return json.loads(answer)


def _work(work: Callable[[], Any], writer: int) -> None:
    """Do the work, and end: nothing of the process that was forked is cleaned up here."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(_LONGEST_S)
        os.write(writer, json.dumps(work()).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)
