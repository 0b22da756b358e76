"""What every scenario stands on: a service of its own, load from other processes, and a bar."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click
from tqdm import tqdm

from tests.benchmarks.scenarios.load import run
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.scenarios.load import Closed, Measured, Open

ENDLESS_S = 3600.0
"""Of a stream that ends when something else has been done."""
_HEAD_START_S = 0.3
"""From giving a plan away to its beginning, so that all processes begin together."""

json_option = click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was found here as well.",
)


@contextlib.contextmanager
def served(store: Path | str | None = None, **settings: object) -> Iterator[Service]:
    """Run a service, by default on a new store with the starter model.

    GLYPH_* of the environment hold unless given here.
    """
    with (
        tempfile.TemporaryDirectory() as place,
        Service(store or Path(place) / "models", Path(place) / "log", **settings) as service,
    ):
        yield service.ready()


class Generators:
    """Processes that put a service under load, apart from the one that watches."""

    def __init__(self, port: int, count: int = 1) -> None:
        self._port = port
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=spawn)
        for warm in [self._pool.submit(time.sleep, 0.2) for _ in range(count)]:
            warm.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, plan: Sequence[Closed | Open], timeout_s: float = 30.0) -> Future[Measured]:
        """Begin a plan in a process of its own."""
        begin = time.monotonic() + _HEAD_START_S
        return self._pool.submit(run, plan, self._port, begin=begin, timeout_s=timeout_s)

    @contextlib.contextmanager
    def load(self, *plan: Closed | Open, timeout_s: float = 30.0) -> Iterator[Future[Measured]]:
        """Put load on the service while the block runs; its plan may be endless.

        Gives the future that has its result after the block.
        """
        with tempfile.TemporaryDirectory() as place:
            enough = Path(place) / "enough"
            begin = time.monotonic() + _HEAD_START_S
            options = {"begin": begin, "timeout_s": timeout_s, "enough": enough}
            running = self._pool.submit(run, plan, self._port, **options)
            time.sleep(max(0.0, begin - time.monotonic()))
            try:
                yield running
            finally:
                enough.touch()
                wait([running])

    def submit(self, function: Callable[..., object], *args: object) -> Future[object]:
        """Run something else in a process of its own."""
        return self._pool.submit(function, *args)

    def run(self, label: str, plan: Sequence[Closed | Open], timeout_s: float = 30.0) -> Measured:
        """Run a plan to its end, with a bar."""
        seconds = max(stream.start_s + stream.seconds for stream in plan)
        future = self.start(plan, timeout_s)
        with passing(label, seconds) as wait:
            wait(seconds)
        return future.result()


@contextlib.contextmanager
def passing(label: str, seconds: float) -> Iterator[Callable[[float], None]]:
    """Show how time passes; gives a function that waits."""
    with tqdm(total=round(seconds, 1), unit="s", desc=label, leave=False, disable=None) as bar:
        yield partial(_wait, bar)


def _wait(bar: tqdm[object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        step = min(left, 0.2)
        time.sleep(step)
        bar.update(round(step, 3))
