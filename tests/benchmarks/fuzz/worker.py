"""Fuzzes one target in a process of its own: a crash is only this one's end.

With atheris installed, libFuzzer keeps inputs that reach new code. Without, those are kept that are
refused in new words.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import resource
import sys
import time
import warnings
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NoReturn

from tests.benchmarks.fuzz.mutation import mutate
from tests.benchmarks.fuzz.state import State

if TYPE_CHECKING:
    from tests.benchmarks.fuzz.target import Target
    from tests.benchmarks.fuzz.trial import Trial

_INSTRUMENTED = ["app", "gunicorn.http", "werkzeug", "PIL"]
_MOST_KEPT = 1024
_MOST_ADDRESS_SPACE = 4 * 2**30
_KEPT_SHARE = 0.002


def fuzz(
    registry: str,
    name: str,
    state: Path,
    findings: Path,
    *,
    seconds: float,
    seed: int,
    limit_s: float,
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
        limit_s: How much CPU time an input may take.
        guided: Whether atheris is to keep what reaches new code.
    """
    faulthandler.enable()
    warnings.simplefilter("ignore")  # as in service; each is of another wording, and written down
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_SPACE, _MOST_ADDRESS_SPACE))
    with _instrumented() if guided else contextlib.nullcontext():
        target: Target = importlib.import_module(registry).TARGETS[name]
        from tests.benchmarks.fuzz.trial import Trial  # noqa: PLC0415 - it imports app
    trial = Trial(target, State(state), findings, limit_s)
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

    def run(data: bytes) -> None:
        trial(data)

    atheris.Setup([*arguments, str(corpus)], run, custom_mutator=change)
    atheris.Fuzz()
    sys.exit()


def _main(registry: str, name: str, state: str, findings: str, *options: str) -> None:
    seconds, seed, limit_s, guided = options
    fuzz(
        registry,
        name,
        Path(state),
        Path(findings),
        seconds=float(seconds),
        seed=int(seed),
        limit_s=float(limit_s),
        guided=guided == "True",
    )


if __name__ == "__main__":
    _main(*sys.argv[1:])
