"""Fuzzes one target in a process of its own: a crash is only this one's end.

With atheris installed, libFuzzer keeps inputs that reach new code. Without, those are kept that are
refused in new words.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import importlib
import os
import re
import resource
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NoReturn

from tests.benchmarks.fuzz.mutation import mutate
from tests.benchmarks.fuzz.state import OVER_MEMORY, State

if TYPE_CHECKING:
    from tests.benchmarks.fuzz.target import Target

_INSTRUMENTED = ["app", "gunicorn.http", "werkzeug", "PIL"]
_LOOKED_AT_S = 0.001
"""An input that took no longer cannot have touched much memory."""
_LOOK_EVERY = 256
_MOST_KEPT = 1024
_MOST_ADDRESS_SPACE = 4 * 2**30
_KEPT_SHARE = 0.002
_DETAILS = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")


def fuzz(
    registry: str,
    name: str,
    state: Path,
    findings: Path,
    *,
    seconds: float,
    seed: int,
    guided: bool,
) -> None:
    """Try inputs until the time is up.

    Args:
        registry: Module with a dictionary `TARGETS`.
        name: Of the target, in there.
        state: File for counts and the input in hand.
        findings: Folder for inputs that raised what they should not.
        seconds: How long.
        seed: Of the random numbers.
        guided: Whether atheris is to keep what reaches new code.
    """
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_SPACE, _MOST_ADDRESS_SPACE))
    with _instrumented() if guided else contextlib.nullcontext():
        target = importlib.import_module(registry).TARGETS[name]
        trial = Trial(target, State(state), findings)
    seeds = target.seeds()
    trial.settle(seeds)
    if guided:
        _fuzz_guided(trial, seeds, state.parent, seconds, seed)
    rng = Random(seed)  # noqa: S311 - to be repeated
    kept = list(seeds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        origin = rng.choice(seeds if rng.random() < 3 / 4 else kept)
        data = mutate(rng, origin, kept, target)
        if trial(data) or rng.random() < _KEPT_SHARE:
            kept.append(data)
        if len(kept) > _MOST_KEPT:
            del kept[rng.randrange(len(seeds), len(kept))]


class Trial:
    """Tries inputs, one after the other."""

    def __init__(self, target: Target, state: State, findings: Path) -> None:
        from app.web.errors import ServiceError  # noqa: PLC0415 - instrumented by now

        self.target = target
        self._state = state
        self._findings = findings
        self._refusal = ServiceError
        self._seen: set[str] = set()
        self._most_kib = 0
        self._status = Path("/proc/self/status").open("rb", buffering=0)  # noqa: SIM115 - to the end

    def settle(self, seeds: list[bytes]) -> None:
        """Measure memory at rest, once everything has run that seeds make run.

        Raises:
            AssertionError: If a seed is refused.
        """
        for seed in seeds:
            self.target.decode(seed)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far
        fields = self._state.fields
        fields.resting_kib = max(fields.resting_kib, self._peak_kib())
        self._most_kib = fields.resting_kib + 1024 * self.target.growth_mib

    def __call__(self, data: bytes) -> bool:
        """Try an input; says whether it fared as none before."""
        fields = self._state.fields
        self._state.begin(data)
        started = time.process_time()
        outcome = self._outcome(data)
        took = time.process_time() - started
        fields.longest_s = max(fields.longest_s, took)
        if took > _LOOKED_AT_S or fields.inputs % _LOOK_EVERY == 0:
            fields.peak_kib = max(fields.peak_kib, self._peak_kib())
            if fields.peak_kib > self._most_kib:
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
            except self._refusal as exc:
                exc.response()  # the caller is told
                return f"{type(exc).__name__}: {_DETAILS.sub('', str(exc))[:80]}"
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - what is written in Rust panics with these
            self._note(data, exc)
            return f"{type(exc).__name__}"
        self._state.fields.accepted += 1
        return "accepted"

    def _note(self, data: bytes, exc: BaseException) -> None:
        """Save an input, unless one of its kind is there."""
        frames = traceback.extract_tb(exc.__traceback__)[-3:]
        kind = "\n".join([type(exc).__name__, *(f"{f.filename}:{f.name}" for f in frames)])
        digest = hashlib.sha256(kind.encode()).hexdigest()[:8]
        path = self._findings / f"{type(exc).__name__}-{digest}"
        if not path.exists():
            path.write_bytes(data)
            path.with_suffix(".txt").write_text("".join(traceback.format_exception(exc)))

    def _peak_kib(self) -> int:
        self._status.seek(0)
        status = self._status.read(4096)
        return int(status[status.index(b"VmHWM:") + 6 :].split(None, 1)[0])


def _instrumented() -> contextlib.AbstractContextManager[None]:
    import atheris  # noqa: PLC0415 - not a dependency

    context: contextlib.AbstractContextManager[None] = atheris.instrument_imports(_INSTRUMENTED)
    return context


def _fuzz_guided(
    trial: Trial, seeds: list[bytes], room: Path, seconds: float, seed: int
) -> NoReturn:
    import atheris  # noqa: PLC0415 - not a dependency

    corpus = room / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)  # noqa: S311 - to be repeated
        if rng.random() < 1 / 4:
            return bytes(atheris.Mutate(data, most))
        if rng.random() < 1 / 2:
            data = rng.choice(seeds)
        return mutate(rng, data, seeds, trial.target)[:most]

    options = {
        "max_total_time": max(1, round(seconds)),
        "seed": seed % 2**31 or 1,
        "max_len": trial.target.most_bytes,
        "len_control": 0,
        "timeout": 10_000,  # whoever started this process watches over it
        "rss_limit_mb": 0,
        "verbosity": 0,
        "artifact_prefix": f"{room}/",
        **{f"handle_{name}": 0 for name in ("abrt", "bus", "fpe", "ill", "segv")},  # faulthandler's
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items())]
    atheris.Setup([*arguments, str(corpus)], lambda data: void(trial(data)), custom_mutator=change)
    atheris.Fuzz()
    sys.exit()


def void(_: object) -> None:
    """Give nothing, as libFuzzer wants it."""


if __name__ == "__main__":
    registry_, name_, state_, findings_, seconds_, seed_, guided_ = sys.argv[1:]
    fuzz(
        registry_,
        name_,
        Path(state_),
        Path(findings_),
        seconds=float(seconds_),
        seed=int(seed_),
        guided=guided_ == "True",
    )
