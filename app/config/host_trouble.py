"""The reason why the model host cannot start, stored in the run directory for the web workers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from app.config.run_dir import HOST_TROUBLE

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 2000


def note_host_trouble(run_dir: Path, message: str) -> None:
    """Store why a host could not start; without a directory nothing is stored."""
    with suppress(OSError):
        (run_dir / HOST_TROUBLE).write_text(message[:_MOST_BYTES])


def end_host_trouble(run_dir: Path) -> None:
    """Note that a host has started."""
    with suppress(OSError):
        (run_dir / HOST_TROUBLE).unlink()


def read_host_trouble(run_dir: Path) -> str | None:
    """Return why the last host could not start; None if it could."""
    try:
        return (run_dir / HOST_TROUBLE).read_text(errors="replace") or None
    except OSError:
        return None
