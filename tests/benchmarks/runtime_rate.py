"""A runtime alone: a fresh process that holds one model and measures it whenever it is asked.

It runs the model as the host does, without web server, channel or batch queue: batches of several
sizes on one stream, and the largest on as many as the host has.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np

from app.config.cpu import usable_cores
from app.config.settings import Settings
from app.host.runtimes.candidates import candidates
from tests.benchmarks.cases import BATCH_SIZES, Rate
from tests.service import ROOT

SECONDS_EACH = 0.5


class RuntimeAlone:
    """The process, seen from outside; leaving the block ends it."""

    def __init__(self, model: str, runtime: str, precision: str, version: Path, log: Path) -> None:
        self._about = (model, runtime, precision)
        command = [sys.executable, "-m", "tests.benchmarks.runtime_rate"]
        self._command = [*command, runtime, precision, str(version)]
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.communicate()  # it ends with its input

    def measure(self) -> list[Rate]:
        """Have every batch size measured."""
        self._process.stdin.write("measure\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the runtime alone ended: {self._log.read_text()[-1000:]}")
        return [Rate(*self._about, *found) for found in json.loads(line)]


def main(runtime: str, precision: str, version: str) -> None:
    """Load, then measure once per line of input."""
    streams = Settings().count_streams(usable_cores())
    (candidate,) = candidates(runtime, precision, threads=1, streams=streams)
    model = candidate.load(Path(version))
    model.prepare(BATCH_SIZES)
    for _ in sys.stdin:
        cases = dict.fromkeys([*((size, 1) for size in BATCH_SIZES), (BATCH_SIZES[-1], streams)])
        found = [(size, _images_per_s(model.predict, size, count), count) for size, count in cases]
        print(json.dumps(found), flush=True)  # noqa: T201


def _images_per_s(predict, size: int, streams: int) -> float:
    with ThreadPoolExecutor(streams) as threads:
        return sum(threads.map(lambda _: _of_one_stream(predict, size), range(streams)))


def _of_one_stream(predict, size: int) -> float:
    images = np.zeros((size, 28, 28, 1), np.uint8)
    for _ in range(5):
        predict([images])
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < SECONDS_EACH:
        predict([images])
        calls += 1
    return calls * size / passed


if __name__ == "__main__":
    main(*sys.argv[1:])
