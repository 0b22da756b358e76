"""What is left of the service when far more is asked of it than it can do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import numpy as np

from tests.benchmarks.scenarios.counts import counts
from tests.benchmarks.scenarios.images import KINDS, as_json, picks, real_images
from tests.benchmarks.scenarios.load import Closed, Open
from tests.benchmarks.scenarios.processes import cores, pss_mib, usages, watched
from tests.benchmarks.scenarios.report import Report, p50_p99, tally
from tests.benchmarks.scenarios.stage import Generators, json_option, served

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.counts import Counts
    from tests.benchmarks.scenarios.load import Measured
    from tests.benchmarks.scenarios.processes import Usage
    from tests.service import Service

_PROBE_RATE = 50.0
"""Single images per second, before, during and after."""
_BEFORE_S, _AFTER_S = 3.0, 8.0
_IN_A_ROW = 25
"""So many normal probes, half a second of them, end the recovery."""
_OK, _OVERLOADED = 200, 429
_BUDGET = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One overload and what came of it."""

    flood: Open
    capacity: float
    deadline_s: float
    images: int
    measured: Measured
    samples: list[list[Usage]]
    counted: Counts

    @property
    def start(self) -> float:
        """When the flood began; monotonic seconds."""
        return self.measured.begin + self.flood.start_s

    @property
    def end(self) -> float:
        """When its last request was due."""
        return self.start + self.flood.seconds


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Length of each overload.")
@click.option("--factor", "factors", multiple=True, type=float, default=(3, 10), show_default=True)
@click.option("--images", default=64, show_default=True, help="In one request.")
@click.option("--deadline-ms", default=1000, show_default=True, help="X-Request-Timeout-Ms.")
@click.option("--body", type=click.Choice(sorted(KINDS)), default="raw", show_default=True)
@click.option("--capacity-seconds", default=9.0, show_default=True, help="To find the capacity.")
@json_option
def overload(
    *,
    seconds: float,
    factors: tuple[float, ...],
    images: int,
    deadline_ms: int,
    body: str,
    capacity_seconds: float,
    json_path: Path | None,
) -> None:
    """Offer many times what the service can do, at a fixed rate.

    The capacity is the best rate of 8, 16 and 32 clients that wait for their answers. Then requests
    come at a multiple of it, whatever the answers are; a single image, fifty times a second, shows
    when things are normal again. The generator shares the machine: its CPU time and how late it
    sends say whether it was the limit.

    python -m tests.benchmarks.scenarios overload --factor 3 --seconds 10
    """
    pool = real_images()
    bodies = [picks(pool, images, turn) for turn in range(8)]
    hasty = [KINDS[body](one, X_Request_Timeout_Ms=deadline_ms) for one in bodies]
    report = Report(f"Overload: {images} images per request ({body}), deadline {deadline_ms} ms")
    with served() as service, Generators(service.port) as generators:
        capacity = _capacity(generators, [KINDS[body](one) for one in bodies], capacity_seconds)
        report.add("capacity", f"{capacity:.0f} requests/s, {capacity * images:,.0f} images/s")
        for factor in factors:
            flood = Open(requests=hasty, rate=factor * capacity, seconds=seconds, start_s=_BEFORE_S)
            measured, samples, counted = _flood(service, generators, flood, f"{factor:g} times")
            trial = Trial(
                flood=flood,
                capacity=capacity,
                deadline_s=deadline_ms / 1000,
                images=images,
                measured=measured,
                samples=samples,
                counted=counted,
            )
            _tell(report, f"{factor:g} x:", trial)
    report.finish(json_path)


def _capacity(generators: Generators, requests: list[bytes], seconds: float) -> float:
    generators.run("warm", [Closed(requests=requests, clients=8, seconds=1)])
    rates = []
    for clients in (8, 16, 32):
        plan = [Closed(requests=requests, clients=clients, seconds=seconds / 3)]
        measured = generators.run(f"capacity, {clients} clients", plan)
        if (measured.records["status"] != _OK).any():
            found = f"{tally(measured.records['status'])}; {dict(measured.sentences)}"
            raise click.ClickException(f"within capacity all is answered, but there were {found}")
        within = measured.records["done"] <= measured.begin + seconds / 3
        rates.append(float(within.sum()) / (seconds / 3))
    return max(rates)


def _flood(
    service: Service, generators: Generators, flood: Open, label: str
) -> tuple[Measured, list[list[Usage]], Counts]:
    probe = Open(
        requests=[as_json(real_images()[:1])],
        rate=_PROBE_RATE,
        seconds=_BEFORE_S + flood.seconds + _AFTER_S,
    )
    before = counts(service)
    with watched(lambda: usages(service), 1.0) as samples:
        measured = generators.run(label, [flood, probe])
    return measured, samples, counts(service).since(before)


def _tell(report: Report, name: str, trial: Trial) -> None:
    flood, probe = trial.measured.stream(0), trial.measured.stream(1)
    sending_s = float(np.ptp(flood["sent"]))
    offered = (len(flood) - 1) / sending_s
    lag = p50_p99(flood["sent"] - flood["intended"])
    share = trial.measured.cpu_s / trial.measured.wall_s
    report.add(
        f"{name} offered",
        f"{offered:.0f}/s, {offered / trial.capacity:.1f} x; sent late by {lag} (p50 / p99); "
        f"generator {share:.0%} of a core",
        f"{trial.flood.rate:.0f}/s",
        holds=offered > 0.95 * trial.flood.rate,
    )
    _tell_answers(report, name, trial, flood)
    _tell_refusals(report, name, trial, flood)
    _tell_service(report, name, trial, flood)
    recovery_s = _recovery_s(probe, trial)
    normal = p50_p99(_latency(probe[probe["intended"] < trial.start]))
    found = "not within the time" if recovery_s is None else f"{recovery_s:.2f} s"
    report.add(f"{name} recovery", f"{found}; a single image before took {normal}")


def _tell_answers(report: Report, name: str, trial: Trial, flood: NDArray[np.void]) -> None:
    good = flood[flood["status"] == _OK]
    took_s = good["done"] - good["sent"]
    within = int((good["done"] <= trial.end).sum()) / trial.flood.seconds / trial.capacity
    late = int((took_s > trial.deadline_s).sum())
    wanted = f"at least {_BUDGET:.0%}"
    report.add(f"{name} goodput", f"{within:.0%} of capacity", wanted, holds=within >= _BUDGET)
    p99_s = float(np.percentile(_latency(good), 99)) if len(good) else float("nan")
    report.add(
        f"{name} accepted, p50 / p99",
        f"{p50_p99(_latency(good))}; {late:,} of {len(good):,} later than the deadline",
        f"p99 within {trial.deadline_s:g} s",
        holds=p99_s <= trial.deadline_s,
    )


def _tell_refusals(report: Report, name: str, trial: Trial, flood: NDArray[np.void]) -> None:
    refused = flood[flood["status"] == _OVERLOADED]
    bare = int(np.isnan(refused["retry_after"]).sum())
    others = len(flood) - len(refused) - int((flood["status"] == _OK).sum())
    report.add(f"{name} refusals, p50 / p99", p50_p99(_latency(refused)))
    report.add(
        f"{name} statuses",
        f"{tally(flood['status'])}; {bare:,} 429 without Retry-After",
        "200, and 429 with Retry-After",
        holds=not bare and not others,
    )
    common = [
        f"{status} {sentence} ({count:,})"
        for (status, sentence), count in trial.measured.sentences.most_common(4)
    ]
    report.add(f"{name} sentences", "; ".join(common))


def _tell_service(report: Report, name: str, trial: Trial, flood: NDArray[np.void]) -> None:
    answered = int((trial.measured.stream(1)["status"] == _OK).sum())
    answered += int((flood["status"] == _OK).sum()) * trial.images
    wasted = trial.counted.computed - answered
    drops = ", ".join(f"{reason} {n:,.0f}" for reason, n in trial.counted.drops.items() if n)
    report.add(
        f"{name} computed but not answered",
        f"{wasted:,.0f} of {trial.counted.computed:,.0f} images; "
        f"dropped by the host before: {drops or 'none'}",
        "0",
        holds=wasted <= 0,
    )
    memory = [(one[0].at, pss_mib(one)) for one in trial.samples if one]
    before = [mib for at, mib in memory if at < trial.start]
    during = [mib for at, mib in memory if trial.start <= at <= trial.end]
    report.add(
        f"{name} memory (PSS)",
        f"{before[-1]:.0f} MiB before, at most {max(during):.0f} during, {memory[-1][1]:.0f} after",
    )
    report.add(f"{name} CPU", cores(trial.samples, trial.start, trial.end))


def _latency(records: NDArray[np.void]) -> NDArray[np.float64]:
    seconds: NDArray[np.float64] = records["done"] - records["intended"]
    return seconds


def _recovery_s(probe: NDArray[np.void], trial: Trial) -> float | None:
    """Return how long after the flood's end half a second of probes began that were all normal.

    Normal is at most twice the p99 from before, and answered 200.
    """
    before = probe[probe["intended"] < trial.start]
    limit_s = 2 * np.percentile(_latency(before), 99)
    after = np.sort(probe[probe["intended"] >= trial.end], order="intended")
    normal = (after["status"] == _OK) & (_latency(after) <= limit_s)
    for first in range(len(after) - _IN_A_ROW + 1):
        if normal[first : first + _IN_A_ROW].all():
            return float(after["intended"][first] - trial.end)
    return None
