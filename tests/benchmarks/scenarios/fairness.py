"""What does bulk work cost whoever asks about a single image?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np

from tests.benchmarks.scenarios.counts import counts
from tests.benchmarks.scenarios.images import KINDS, as_json, as_raw, picks, real_images
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import Generators, json_option, passing, served

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.service import Service

_BULK_CLIENTS = 4
_BULK_IMAGES = 256
_LEAD_S = 0.5
"""The bulk clients begin so much earlier, and end so much later."""
_TIMES = 3


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Of one measurement.")
@click.option("--repeats", default=2, show_default=True, help="Of each, in turn.")
@json_option
def fairness(seconds: float, repeats: int, json_path: Path | None) -> None:
    """Measure a client of single images alone, and beside four clients with 256 images each.

    The bulk clients send without pause, as raw bytes or as JSON. Each kind of client has a
    generator process of its own.

    python -m tests.benchmarks.scenarios fairness --seconds 5 --repeats 1
    """
    beside: dict[str, list[NDArray[np.void]]] = {"alone": []} | {kind: [] for kind in KINDS}
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with served() as service, Generators(service.port, 2) as generators:
        batch_s = _largest_batch_s(service, generators)
        for _ in range(repeats):
            beside["alone"].append(_single(generators, "alone", seconds))
            for kind in KINDS:
                single, rate = _beside(generators, kind, seconds)
                beside[kind].append(single)
                rates[kind].append(rate)
    _report({kind: np.concatenate(runs) for kind, runs in beside.items()}, rates, batch_s).finish(
        json_path
    )


def _largest_batch_s(service: Service, generators: Generators) -> float:
    """Measure in service, with one client whose requests make full batches only."""
    plan = [Closed(requests=[as_raw(picks(real_images(), _BULK_IMAGES, 0))], clients=1, seconds=2)]
    generators.run("warm", plan)
    before = counts(service)
    generators.run("largest batch", plan)
    counted = counts(service).since(before)
    return counted.busy_s / counted.batches


def _single(generators: Generators, label: str, seconds: float) -> NDArray[np.void]:
    one = Closed(requests=[as_json(real_images()[:1])], clients=1, seconds=seconds)
    return generators.run(label, [one]).records


def _beside(generators: Generators, kind: str, seconds: float) -> tuple[NDArray[np.void], float]:
    pool = real_images()
    bulk = Closed(
        requests=[KINDS[kind](picks(pool, _BULK_IMAGES, turn)) for turn in range(8)],
        clients=_BULK_CLIENTS,
        seconds=seconds + 2 * _LEAD_S,
    )
    running = generators.start([bulk])
    with passing(f"{kind} begins", _LEAD_S) as wait:
        wait(_LEAD_S)
    single = _single(generators, f"beside {kind}", seconds)
    measured = running.result()
    if lost := failures(measured.records):
        raise click.ClickException(f"bulk requests failed: {lost}")
    return single, len(measured.records) * _BULK_IMAGES / bulk.seconds


def _report(
    found: dict[str, NDArray[np.void]], rates: dict[str, list[float]], batch_s: float
) -> Report:
    report = Report(f"Fairness: a single image beside {_BULK_CLIENTS} x {_BULK_IMAGES} images")
    alone = took(found["alone"])
    report.add("alone, p50 / p99", p50_p99(alone))
    report.add("one largest batch", f"{batch_s * 1000:.1f} ms")
    limit_ms = _TIMES * percentile_ms(alone, 99) + batch_s * 1000
    for kind, rate in rates.items():
        single = took(found[kind])
        report.add(
            f"beside {kind}, p50 / p99",
            f"{p50_p99(single)}; the others get {np.mean(rate):,.0f} images/s",
            f"p99 at most {_TIMES} times that alone + one largest batch: {limit_ms:.1f} ms",
            holds=percentile_ms(single, 99) <= limit_ms,
        )
    statuses = np.concatenate(list(found.values()))
    report.add("failed", failures(statuses) or "0", "0", holds=not failures(statuses))
    return report
