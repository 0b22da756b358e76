"""Directories that can be written to, found by writing: permissions do not tell of all that can be.

A file system may be mounted read-only, full, or out of inodes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there is private


class NowhereToWriteError(OSError):
    """Raised when no directory can be written to; says why, for each."""


def usual_places() -> list[Path]:
    """Return where temporary files may lie: memory first, since no disk can hold it up."""
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    return [SHARED_MEMORY, *map(Path, named), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - likewise


def check_writable(directory: Path) -> None:
    """Write a file and a directory, and remove them.

    Raises:
        OSError: If that fails.
    """
    with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
        probe.write(b"glyph")
    Path(tempfile.mkdtemp(prefix="glyph-probe-", dir=directory)).rmdir()


def first_writable(directories: Iterable[Path]) -> Path:
    """Return the first directory that can be written to.

    Raises:
        NowhereToWriteError: If there is none.
    """
    problems = []
    for directory in directories:
        try:
            check_writable(directory)
        except OSError as exc:
            problems.append(f"{directory} ({exc.strerror})")
        else:
            return directory
    raise NowhereToWriteError("none can be written to: " + ", ".join(dict.fromkeys(problems)))
