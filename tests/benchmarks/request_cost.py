"""python -m tests.benchmarks.request_cost: what a request costs inside a web worker, in µs.

CPU time of this process, for one image as JSON. Clients and model host are processes beside it that
answer at once; where they take part, eight requests are in flight. Stages hold each other: the
front has the fast path in it, which has the decoding in it. Medians over rounds in which every
stage has its turn.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from app.config.run_dir import make_run_dir, remove_run_dir
from tests.benchmarks.report import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.request_stages import Stage


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=7, help="Medians over so many.")
@click.option("--requests", default=1000, type=click.IntRange(min=8), help="Of a stage in a round.")
def main(rounds: int, requests: int) -> None:
    """Measure every stage of a request inside a web worker."""
    make_run_dir(None)  # names the metrics' directory, which the import below looks for
    from tests.benchmarks.request_stages import stages  # noqa: PLC0415

    try:
        with tempfile.TemporaryDirectory() as place, stages(Path(place)) as all_stages:
            costs = measure(all_stages, rounds, requests)
    finally:
        remove_run_dir()
    rows = [[what, f"{cost:.1f}"] for what, cost in costs.items()]
    click.echo(table(["stage", "µs of CPU"], rows))


def measure(all_stages: Mapping[str, Stage], rounds: int, requests: int) -> dict[str, float]:
    """Return each stage's median of microseconds per request; the first round only warms up."""
    found: dict[str, list[float]] = {what: [] for what in all_stages}
    for _ in tqdm(range(rounds + 1), unit="round", disable=None):
        for what, run in all_stages.items():
            found[what].append(run(requests) / requests * 1e6)
    return {what: statistics.median(costs[1:]) for what, costs in found.items()}


if __name__ == "__main__":
    main()
