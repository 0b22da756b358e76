"""Do clients that hardly send anything harm those that do?"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import click
import numpy as np

from tests.benchmarks.scenarios.images import as_json, real_images
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import Generators, json_option, passing, served
from tests.benchmarks.scenarios.wire import connect

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.wire import Connection

_EVERY_S = 1.0
_SETTLE_S = 2.0
"""The slow clients are there so much earlier, and stay so much longer."""
_MORE = 1.5


@click.command(name="slow-clients")
@click.option("--seconds", default=10.0, show_default=True, help="Of one measurement.")
@click.option("--repeats", default=2, show_default=True, help="Of each, in turn.")
@click.option("--clients", default=200, show_default=True, help="Slow ones.")
@json_option
def slow_clients(seconds: float, repeats: int, clients: int, json_path: Path | None) -> None:
    """Measure a normal client without and beside clients that send one byte a second.

    Half of the slow ones dribble the head of their request, half the body. One that is answered or
    cut off connects again.

    python -m tests.benchmarks.scenarios slow-clients --seconds 5 --repeats 1
    """
    found: dict[str, list[NDArray[np.void]]] = {"without": [], "beside": []}
    ends: Counter[str] = Counter()
    with served() as service, Generators(service.port, 2) as generators:
        _normal(generators, "warm", 1)
        for _ in range(repeats):
            found["without"].append(_normal(generators, "without", seconds))
            slow = generators.submit(dribble, service.port, clients, seconds + 2 * _SETTLE_S)
            with passing("slow clients come", _SETTLE_S) as wait:
                wait(_SETTLE_S)
            found["beside"].append(_normal(generators, "beside", seconds))
            ends += slow.result()
    _report({name: np.concatenate(runs) for name, runs in found.items()}, ends, clients).finish(
        json_path
    )


def _normal(generators: Generators, label: str, seconds: float) -> NDArray[np.void]:
    one = Closed(requests=[as_json(real_images()[:1])], clients=1, seconds=seconds)
    return generators.run(label, [one]).records


def _report(found: dict[str, NDArray[np.void]], ends: Counter[str], clients: int) -> Report:
    report = Report(f"{clients} clients that send one byte a second")
    limit_ms = _MORE * percentile_ms(took(found["without"]), 99)
    report.add("normal client without them, p50 / p99", p50_p99(took(found["without"])))
    report.add(
        "beside them, p50 / p99",
        p50_p99(took(found["beside"])),
        f"p99 at most {_MORE} times that without: {limit_ms:.1f} ms",
        holds=percentile_ms(took(found["beside"]), 99) <= limit_ms,
    )
    told = ", ".join(f"{what}: {count}" for what, count in sorted(ends.items()))
    report.add("what the slow ones got", told or "nothing")
    lost = failures(np.concatenate(list(found.values())))
    report.add("the normal client's failures", lost or "0", "0", holds=not lost)
    return report


def dribble(port: int, clients: int, seconds: float) -> Counter[str]:
    """Be so many slow clients for a time; gives how their requests ended."""
    return asyncio.run(_dribble(port, clients, time.monotonic() + seconds))


async def _dribble(port: int, clients: int, end: float) -> Counter[str]:
    ends: Counter[str] = Counter()
    data = as_json(real_images()[:1])
    head = data.index(b"\r\n\r\n") + 4
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            at_once = head if number % 2 else 1
            group.create_task(_slow(port, data, at_once, end, ends))
            await asyncio.sleep(_EVERY_S / clients)  # so that they do not send all at once
    return ends


async def _slow(port: int, data: bytes, at_once: int, end: float, ends: Counter[str]) -> None:
    while time.monotonic() < end:
        try:
            connection = await connect(port)
        except OSError:
            ends["not connected"] += 1
            await asyncio.sleep(_EVERY_S)
            continue
        ends[await _ask_slowly(connection, data, at_once, end)] += 1
        connection.close()


async def _ask_slowly(connection: Connection, data: bytes, at_once: int, end: float) -> str:
    """Send one byte a second; gives how it ended."""
    sent = at_once
    asking = asyncio.ensure_future(connection.ask(data[:sent]))
    while time.monotonic() < end:
        await asyncio.wait([asking], timeout=min(_EVERY_S, max(0, end - time.monotonic())))
        if asking.done():
            break
        connection.send(data[sent : sent + 1])
        sent += 1
    if not asking.done():
        asking.cancel()
        await asyncio.wait([asking])
        return "still sending at the end"
    return str(asking.exception() or asking.result().status)
