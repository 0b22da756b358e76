"""python -m tests.benchmarks: Glyph beside the floor, on this machine, in one run.

The two servers run side by side and are measured in turn, so that whatever else the machine does
hits both; figures are medians over the repeats.
"""

from __future__ import annotations

import contextlib
import json
import platform
import statistics
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

import click
import numpy as np
import requests
from tqdm import tqdm

from app.host.runtimes.choice import candidates
from model_store.seeding import STARTER
from tests.benchmarks.load import Measured, Wrk
from tests.service import Service, wait_until

FLOOR = (sys.executable, "-m", "gunicorn", "--no-control-socket", "-w", "2")
FLOOR += ("-k", "app.gunicorn_worker.WebWorker")
FLOOR += ("--keep-alive", "5", "tests.benchmarks.floor:app")


@click.command()
@click.option("--repeats", default=5, show_default=True, help="Runs of each; medians are shown.")
@click.option("--seconds", default=5, show_default=True, help="Length of one run.")
@click.option("--connections", "-c", multiple=True, type=int, default=(1, 32), show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all runs here.")
def main(repeats: int, seconds: int, connections: tuple[int, ...], json_path: Path | None) -> None:
    """Measure single images as JSON: requests per second, p50 and p99, beside the floor."""
    with contextlib.ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory()))
        glyph = held.enter_context(Service(place / "models", place / "glyph.log")).ready()
        floor = held.enter_context(Floor(place / "none", place / "floor.log")).listening()
        wrk = Wrk(json.dumps(glyph.get("/example").json()).encode(), place)
        runs = _measure({"floor": floor, "glyph": glyph}, wrk, repeats, seconds, connections)
        batch_1_ms = _batch_1_ms()
    click.echo(_table(runs, batch_1_ms))
    if json_path:
        document = {f"{name}, {n}": [_plain(m) for m in ms] for (name, n), ms in runs.items()}
        json_path.write_text(json.dumps(document, indent=2))


class Floor(Service):
    """The floor under gunicorn, with as many workers of the same class."""

    def __init__(self, store: Path, log: Path) -> None:
        super().__init__(store, log)
        self._command = (*FLOOR, "--bind", f"127.0.0.1:{self.port}")

    def listening(self) -> Floor:
        """Wait until connections are taken."""
        wait_until(self._takes_connections, "the floor listens")
        return self

    def _takes_connections(self) -> bool:
        try:
            return self.get("/").status_code == HTTPStatus.NOT_FOUND
        except requests.ConnectionError:
            return False


def _measure(servers, wrk, repeats, seconds, connections):
    runs: dict[tuple[str, int], list[Measured]] = {}
    order = [(n, name) for _ in range(repeats) for n in connections for name in servers]
    for server in servers.values():
        wrk.run(server.url, 8, 1)  # warm
    for n, name in tqdm(order, unit="run", disable=None):
        runs.setdefault((name, n), []).append(wrk.run(servers[name].url, n, seconds))
    return runs


def _batch_1_ms(calls: int = 300) -> float:
    """Time the runtime alone on one image, as the host would choose it."""
    candidate = list(candidates("openvino", "f32", threads=1, max_batch=64))[-1]
    model = candidate.load(STARTER / "mnist" / "1")
    image = np.zeros((1, 28, 28, 1), np.uint8)
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        model.predict(image)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _table(runs, batch_1_ms) -> str:
    lines = [
        (
            f"Single images as JSON, {platform.machine()}, Python {platform.python_version()}; "
            f"the runtime alone takes {batch_1_ms:.2f} ms for one image."
        ),
        "",
        "| connections | server | requests/s | of the floor | p50 ms | p99 ms | failures |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (name, n), measured in sorted(runs.items(), key=lambda item: (item[0][1], item[0][0])):
        rate = _median(measured, "requests_per_s")
        share = rate / _median(runs["floor", n], "requests_per_s")
        p50, p99 = _median(measured, "p50_ms"), _median(measured, "p99_ms")
        failures = sum(m.failures for m in measured)
        lines.append(
            f"| {n} | {name} | {rate:,.0f} | {share:.0%} | {p50:.2f} | {p99:.2f} | {failures} |"
        )
    return "\n".join(lines)


def _median(measured, field) -> float:
    return statistics.median(getattr(m, field) for m in measured)


def _plain(measured: Measured) -> dict[str, float]:
    return {field: getattr(measured, field) for field in Measured.__slots__}


if __name__ == "__main__":
    main()
