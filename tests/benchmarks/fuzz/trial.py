"""Tries inputs on a decoder: what it raises is looked at, and what time and memory it takes."""

from __future__ import annotations

import hashlib
import os
import re
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from app.web.http.errors import ServiceError
from imaging.errors import PictureError
from tests.benchmarks.fuzz.state import OVER_MEMORY

if TYPE_CHECKING:
    from tests.benchmarks.fuzz.state import State
    from tests.benchmarks.fuzz.target import Target

_LOOKED_AT_S = 0.001
"""An input that took no longer cannot have touched much memory."""
_LOOK_EVERY = 256
_DETAILS = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")


class Trial:
    """Tries inputs, one after the other."""

    def __init__(self, target: Target, state: State, findings: Path, limit_s: float = 1.0) -> None:
        self.target = target
        self._state = state
        self._findings = findings
        self._limit_s = limit_s
        self._seen: set[str] = set()
        self._noted: set[Path] = set()
        self._memory = _Memory()

    def settle(self, seeds: list[bytes]) -> None:
        """Measure memory at rest, once everything has run that seeds make run.

        Raises:
            ServiceError, PictureError: If a seed is refused.
        """
        for seed in seeds:
            self.target.decode(seed)
        self._memory.grown_kib()
        self._state.fields.resting_kib = self._memory.now_kib

    def __call__(self, data: bytes) -> bool:
        """Try an input; says whether it fared as none before."""
        fields = self._state.fields
        self._state.begin(data)
        started = time.process_time()
        outcome = self._outcome(data)
        took = time.process_time() - started
        fields.longest_s = max(fields.longest_s, took)
        if took > self._limit_s:
            self._save("slow", outcome, data, f"{took:.3f} s of CPU time: {outcome}\n")
        if took > _LOOKED_AT_S or fields.inputs % _LOOK_EVERY == 0:
            grown = self._memory.grown_kib()
            fields.largest_kib = max(fields.largest_kib, grown)
            fields.last_kib = self._memory.now_kib
            if grown > 1024 * self.target.growth_mib:
                os._exit(OVER_MEMORY)
        fields.busy = 0
        if outcome in self._seen:
            return False
        self._seen.add(outcome)
        return True

    def _outcome(self, data: bytes) -> str:
        try:
            try:
                self.target.decode(data)
            except (ServiceError, PictureError) as exc:
                exc.body()  # the caller is told
                return f"{type(exc).__name__}: {_DETAILS.sub('', str(exc))[:80]}"
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - what is written in Rust panics with these
            self._note(data, exc)
            return f"{type(exc).__name__}"
        self._state.fields.accepted += 1
        return "accepted"

    def _note(self, data: bytes, exc: BaseException) -> None:
        frames = traceback.extract_tb(exc.__traceback__)[-3:]
        place = "\n".join(f"{frame.filename}:{frame.name}" for frame in frames)
        told = "".join(traceback.format_exception(exc))
        self._save(type(exc).__name__, place, data, told)

    def _save(self, kind: str, place: str, data: bytes, told: str) -> None:
        """Save an input, unless one of its kind and place was."""
        path = self._findings / f"{kind}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        if path not in self._noted:
            self._noted.add(path)
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(told)


class _Memory:
    """How much memory this process holds, and held in between."""

    def __init__(self) -> None:
        self._status = Path("/proc/self/status").open("rb", buffering=0)  # noqa: SIM115 - to the end
        self._forget = Path("/proc/self/clear_refs").open("wb", buffering=0)  # noqa: SIM115
        self.now_kib = 0

    def grown_kib(self) -> int:
        """Return the growth since the last measurement."""
        self._status.seek(0)
        status = self._status.read(4096)
        peak, before = _kib(status, b"VmHWM:"), self.now_kib
        self.now_kib = _kib(status, b"VmRSS:")
        self._forget.write(b"5")  # the peak so far
        return max(0, peak - before)


def _kib(status: bytes, name: bytes) -> int:
    return int(status[status.index(name) + len(name) :].split(None, 1)[0])
