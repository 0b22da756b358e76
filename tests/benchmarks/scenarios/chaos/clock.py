"""A clock that jumps, by libfaketime; the service's monotonic clock stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LIBRARY = "faketime/libfaketimeMT.so.1"
_PLACES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")


@dataclass(frozen=True, slots=True)
class Clock:
    """The file that tells every process of the service how wrong the clock is."""

    offset: Path
    library: Path

    @classmethod
    def install(cls, place: Path) -> Self | None:
        """Make the file; returns None where libfaketime is not installed."""
        libraries = [Path(one) / _LIBRARY for one in _PLACES]
        library = next((one for one in libraries if one.exists()), None)
        if library is None:
            return None
        clock = cls(place / "clock", library)
        clock.set(0)
        return clock

    @property
    def environ(self) -> dict[str, str]:
        """Variables for the service."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # as older ones call it
            "NO_FAKE_STAT": "1",
        }

    def set(self, seconds: float) -> None:
        """Let the clock be so many seconds ahead from now on."""
        aside = self.offset.with_suffix(".new")
        aside.write_text(f"{seconds:+.0f}s\n")
        aside.replace(self.offset)
