"""Does anything grow while the service works for a long time?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click
import numpy as np

from tests.benchmarks.scenarios.images import as_json, as_raw, picks, real_images
from tests.benchmarks.scenarios.load import Closed, Open
from tests.benchmarks.scenarios.processes import pss_mib, usages, watched
from tests.benchmarks.scenarios.report import Report, p50_p99, tally
from tests.benchmarks.scenarios.stage import Generators, json_option, passing, served
from tests.benchmarks.scenarios.wire import JSON, connect, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.scenarios.load import Measured
    from tests.benchmarks.scenarios.processes import Usage

_LEAVERS_PER_S = 5.0
_FLAT_MIB_PER_MIN = 0.5
_BAD = (
    request("/predict", b'{"instances": [[1, 2', JSON),
    request("/predict", b'{"instances": [[[300]]]}', JSON),
    request("/predict", b"<xml/>", "text/xml"),
    request("/nowhere"),
)


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--every-s", default=5.0, show_default=True, help="Between two looks.")
@json_option
def soak(minutes: float, every_s: float, json_path: Path | None) -> None:
    """Mix all kinds of callers for a long time, and watch the service's processes.

    Single images and 64 images as JSON, 256 as raw bytes, bad requests, clients that go away before
    their answer, /metrics and /readyz.

    A run of a few minutes shows mostly how the processes settle. Run it alone: pages that other
    services share count for less, and for more when those end.

    python -m tests.benchmarks.scenarios soak --minutes 1
    """
    seconds = minutes * 60
    plan = _plan(seconds)
    with served() as service, Generators(service.port, 2) as generators:
        load = generators.start(list(plan.values()))
        leaving = generators.submit(leave_early, service.port, seconds)
        with (
            watched(lambda: usages(service), every_s) as samples,
            passing("soak", seconds) as wait,
        ):
            wait(seconds)
        measured, left = load.result(), leaving.result()
    report = Report(f"Soak: {minutes:g} minutes, a look every {every_s:g} s")
    _tell_answers(report, list(plan), measured, left)
    _tell_processes(report, [sample for sample in samples if sample])
    report.finish(json_path)


def _plan(seconds: float) -> dict[str, Closed | Open]:
    pool = real_images()
    singles = [as_json(picks(pool, 1, turn)) for turn in range(32)]
    bulk = [as_json(picks(pool, 64, turn)) for turn in range(4)]
    raw = [as_raw(picks(pool, 256, turn)) for turn in range(4)]
    return {
        "single, JSON": Closed(requests=singles, clients=4, seconds=seconds),
        "64, JSON": Closed(requests=bulk, clients=1, seconds=seconds),
        "256, raw": Open(requests=raw, rate=5, seconds=seconds),
        "bad": Open(requests=_BAD, rate=10, seconds=seconds),
        "/metrics": Open(requests=[request("/metrics")], rate=1, seconds=seconds),
        "/readyz": Open(requests=[request("/readyz")], rate=2, seconds=seconds),
    }


def leave_early(port: int, seconds: float) -> int:
    """Be clients that go away before their answer; gives how many there were."""
    return asyncio.run(_leave_early(port, seconds))


async def _leave_early(port: int, seconds: float) -> int:
    bodies = [as_json(picks(real_images(), count, 0)) for count in (1, 64)]
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        connection = await connect(port)
        body = bodies[turn % 2]
        whole = turn % 4 < 2
        connection.send(body if whole else body[: len(body) // 2])
        await asyncio.sleep(0.001 if whole else 1 / _LEAVERS_PER_S)
        connection.close()
        await asyncio.sleep(1 / _LEAVERS_PER_S if whole else 0)
        turn += 1
    return turn


def _tell_answers(report: Report, names: list[str], measured: Measured, left: int) -> None:
    for index, name in enumerate(names):
        records = measured.stream(index)
        wanted = {400, 404, 415} if name == "bad" else {200}
        report.add(
            name,
            f"{tally(records['status'])}; {p50_p99(records['done'] - records['intended'])}",
            "4xx only" if name == "bad" else "200 only",
            holds=set(records["status"].tolist()) <= wanted,
        )
    report.add("went away before the answer", f"{left:,}")


def _tell_processes(report: Report, samples: list[list[Usage]]) -> None:
    late = samples[len(samples) // 3 :]
    slope = slope_mib_per_min([one[0].at for one in late], [pss_mib(one) for one in late])
    totals = [pss_mib(sample) for sample in samples]
    report.add(
        "memory of all (PSS)",
        f"{totals[0]:.0f} MiB at first, {totals[-1]:.0f} at last, at most {max(totals):.0f}; "
        f"{slope:+.2f} MiB/min over the last two thirds",
        f"flat: at most {_FLAT_MIB_PER_MIN} MiB/min",
        holds=slope <= _FLAT_MIB_PER_MIN,
    )
    first, last = ({one.pid for one in sample} for sample in (samples[0], samples[-1]))
    report.add("processes replaced", str(len(last - first)), "0", holds=first == last)
    for pid, role in sorted(
        {(one.pid, one.role) for s in samples for one in s}, key=lambda x: x[1]
    ):
        _tell_process(report, role, [one for s in late for one in s if one.pid == pid])


def _tell_process(report: Report, role: str, looks: list[Usage]) -> None:
    if len(looks) < 2:
        return
    slope = slope_mib_per_min([one.at for one in looks], [one.pss_mib for one in looks])
    fds, threads = [one.fds for one in looks], [one.threads for one in looks]
    report.add(
        f"{role}, the last two thirds",
        f"{looks[-1].pss_mib:.1f} MiB, {slope:+.2f} MiB/min; "
        f"{min(fds)} to {max(fds)} descriptors; {min(threads)} to {max(threads)} threads",
    )


def slope_mib_per_min(at_s: list[float], mib: list[float]) -> float:
    """Fit a line; nan of fewer than two looks."""
    if len(at_s) < 2:
        return float("nan")
    return float(np.polyfit(np.array(at_s) - at_s[0], mib, 1)[0]) * 60
