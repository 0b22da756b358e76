"""Keeps the greetings of native libraries off the terminal."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def capture_native_stderr() -> Iterator[None]:
    """Catch what is written to file descriptor 2, and print it only if the block fails.

    TensorFlow logs there while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says, and from C++, so
    that replacing sys.stderr would not catch it.
    """
    terminal = os.dup(_STDERR)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            caught.seek(0)
            os.write(terminal, caught.read())
            raise
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
