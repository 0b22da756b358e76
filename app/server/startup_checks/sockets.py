"""The length limit of a Unix socket's path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 107
"""Bytes: the kernel's 108, and a zero at the end."""


def check_socket_path(path: Path) -> str | None:
    """Return what is wrong with the length of a socket's path; None where it fits."""
    length = len(os.fsencode(path))
    if length <= _LONGEST:
        return None
    return f"the socket's path has {length} bytes, and may have {_LONGEST}; choose a shorter one"
