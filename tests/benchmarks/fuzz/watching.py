"""Runs the process that fuzzes a target, ends it where an input does, and starts another."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.fuzz.state import OVER_MEMORY, State

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_S = 0.1
_LONGEST_LOOK_S = 1.0
"""More time between two looks was no one's: all processes were stopped, or had to wait."""
_STARTED_WITHIN_S = 300.0
"""Instrumented, with little of a busy machine, it takes a minute."""
_ENDED_WITHIN_S = 30.0
_PATIENCE = 10
"""How much longer than its CPU time an input may be in hand: others use the machine."""
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_MOST_KIB = 2 * 2**20
"""Of any process, in the middle of an input."""
_MOST_ENDS = 10
"""A target that ends so many processes is given up."""


@dataclass
class Run:
    """What became of one target."""

    name: str
    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0
    """CPU time: others may use the machine."""
    largest_kib: int = 0
    """The most memory that one input took."""
    growth_kib: int = 0
    """How much more a process held at its end than at its beginning."""
    findings: list[str] = field(default_factory=list)


def watch(
    registry: str,
    name: str,
    findings: Path,
    *,
    seconds: float,
    seed: int,
    limit_s: float,
    guided: bool,
    tick: Callable[[float], object] = lambda _s: None,
) -> Run:
    """Fuzz a target for some time.

    Args:
        registry: Module with a dictionary `TARGETS`.
        name: Of the target, in there.
        findings: Folder; in one of the target's name, inputs that did what they should not are put.
        seconds: How long.
        seed: Of the random numbers.
        limit_s: CPU time that one input may take; in a hang, ten times as long is waited.
        guided: Whether atheris is to keep what reaches new code.
        tick: Told how many seconds have passed since it was last.
    """
    run = Run(name)
    findings = findings / name
    findings.mkdir(parents=True, exist_ok=True)
    before = _written(findings)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        for turn in range(_MOST_ENDS):
            left = seconds - run.seconds
            if turn and left < 1:
                break
            state = State(room / "state", new=True)
            command = (registry, name, room / "state", findings, left, seed + turn, limit_s, guided)
            life = _Life(list(map(str, command)), room / "errors", state)
            ending = life.watch(left, limit_s, tick)
            run.seconds += life.seconds
            _count(run, state)
            if ending is not None:
                _save(findings, ending, state.in_hand, life.errors.read_bytes())
    new = {path.name for path, _ in _written(findings) - before if path.suffix != ".txt"}
    run.findings = sorted(new)
    return run


def _written(findings: Path) -> set[tuple[Path, int]]:
    """Return files and their modification times: the same file may be found again."""
    return {(path, path.stat().st_mtime_ns) for path in findings.iterdir()}


class _Life:
    """One process, from its start to its end."""

    def __init__(self, command: list[str], errors: Path, state: State) -> None:
        self.errors = errors
        self.seconds = 0.0
        """Since its first input."""
        self._fields = state.fields
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.fuzz.worker", *command],
                stdout=file,
                stderr=file,
            )
        self._starting_s = self._in_hand_s = 0.0
        self._inputs = 0

    def watch(self, left: float, limit_s: float, tick: Callable[[float], object]) -> str | None:
        """Wait for the end; gives how it came, if it was not in time."""
        looked = time.monotonic()
        while self._process.poll() is None:
            time.sleep(_LOOK_EVERY_S)
            passed, looked = time.monotonic() - looked, time.monotonic()
            ending = self._passed(min(passed, _LONGEST_LOOK_S), left, limit_s, tick)
            if ending is not None:
                self._process.send_signal(signal.SIGABRT)  # faulthandler tells where it was
                self._process.wait()
                return ending
        status = self._process.returncode
        if status == OVER_MEMORY:
            return "memory"
        return f"exit{status}" if status else None

    def _passed(
        self, seconds: float, left: float, limit_s: float, tick: Callable[[float], object]
    ) -> str | None:
        """Count time, and look whether too much of it was taken, or of memory."""
        fields = self._fields
        if not fields.inputs:
            self._starting_s += seconds
            return "start" if self._starting_s > _STARTED_WITHIN_S else None
        self.seconds += seconds
        tick(seconds)
        self._in_hand_s += seconds
        if fields.inputs != self._inputs or not fields.busy:
            self._inputs, self._in_hand_s = fields.inputs, 0.0
        if self._in_hand_s > _PATIENCE * limit_s:
            return "hang"
        if _rss_kib(self._process.pid) > _MOST_KIB:
            return "memory"
        return "late" if self.seconds > left + _ENDED_WITHIN_S else None


def _rss_kib(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB
    return 0


def _count(run: Run, state: State) -> None:
    fields = state.fields
    run.inputs += fields.inputs
    run.accepted += fields.accepted
    run.longest_s = max(run.longest_s, fields.longest_s)
    run.largest_kib = max(run.largest_kib, fields.largest_kib)
    run.growth_kib = max(run.growth_kib, fields.last_kib - fields.resting_kib)


def _save(findings: Path, ending: str, data: bytes, words: bytes) -> None:
    path = findings / f"{ending}-{hashlib.sha256(data).hexdigest()[:8]}"
    path.write_bytes(data)
    path.with_suffix(".txt").write_bytes(words[-20_000:])
