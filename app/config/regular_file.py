"""A check that a path is a regular file."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def check_file_kind(path: Path) -> None:
    """Check that a path is no pipe, socket or device, on which reading may never end.

    What is missing, a directory or not accessible is left to its reader, who knows the reason.

    Raises:
        ValueError: If it is one.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("is no regular file; a pipe or a device cannot be read again")
