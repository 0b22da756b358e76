"""Medians and ratios of what was measured, and the budgets they are held to. No I/O."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.cases import (
    BULK_CONNECTIONS,
    BULK_IMAGES,
    FLOOR,
    Load,
    Results,
    Server,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE = Load(1, "json", 1)
BUSY = Load(1, "json", 32)
BULK_RAW = Load(BULK_IMAGES, "raw", BULK_CONNECTIONS)

SHARES_OF_FLOOR = {"compact": 0.80, "cnn": 0.65}
SHARE_OF_RUNTIME = 0.85
COLD_START_S = 3
MEMORY_MIB = 400


def median(values: Iterable[float]) -> float | None:
    """Return the median; None of no values."""
    values = list(values)
    return statistics.median(values) if values else None


def ratio(value: float | None, of: float | None) -> float | None:
    """Divide, or None where there is nothing to divide or to divide by."""
    return value / of if value is not None and of else None


class Summary:
    """Answers questions about the results; None is "was not measured"."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def of(self, server: Server, load: Load, what: str) -> float | None:
        """Return the median of one property of a server's runs under a load."""
        return median(getattr(run, what) for run in self._runs(server, load))

    def failures(self, server: Server, load: Load) -> int:
        """Add up the requests that failed."""
        return sum(run.failures for run in self._runs(server, load))

    def spread(self, server: Server, load: Load) -> float | None:
        """Return how far the runs lie apart: the range of their rates as a share of the median."""
        rates = [run.images_per_s for run in self._runs(server, load)]
        return ratio(max(rates) - min(rates), median(rates)) if rates else None

    def beside(self, server: Server, other: Server, load: Load) -> float | None:
        """Return a server's rate as a multiple of another's under the same load."""
        mine, theirs = (self.of(s, load, "images_per_s") for s in (server, other))
        return ratio(mine, theirs)

    def beside_runtime(self, server: Server, load: Load) -> float | None:
        """Return a server's rate as a share of what its runtime does alone.

        That is one image at a time where one client sends them so, else the best it can do, on as
        many streams as Glyph has.
        """
        cases = [(1, 1)] if load == ONE else self.batches
        rates = [self.rate(server.model, server.runtime, *case) for case in cases]
        best = max((rate for rate in rates if rate is not None), default=None)
        return ratio(self.of(server, load, "images_per_s"), best)

    def rate(self, model: str, runtime: str, batch: int, streams: int = 1) -> float | None:
        """Return a runtime's images per second alone."""
        wanted = (model, runtime, batch, streams)
        return median(
            rate.images_per_s
            for rate in self.results.rates
            if (rate.model, rate.runtime, rate.batch, rate.streams) == wanted
        )

    def precision(self, model: str, runtime: str) -> str:
        """Name the arithmetic a runtime computed in."""
        rates = self.results.rates
        return next((r.precision for r in rates if (r.model, r.runtime) == (model, runtime)), "")

    def start_s(self, server: Server) -> float | None:
        """Return the time from command to first prediction."""
        return median(cost.amount for cost in self.results.starts_s if cost.server == server)

    def memory_mib(self, server: Server) -> float | None:
        """Return the memory that all processes of a server hold."""
        return median(cost.amount for cost in self.results.memory_mib if cost.server == server)

    @property
    def servers(self) -> list[Server]:
        """Every server, in the order of its first run."""
        return list(dict.fromkeys(run.server for run in self.results.runs))

    @property
    def loads(self) -> list[Load]:
        """Every load, in the order of its first run."""
        return list(dict.fromkeys(run.load for run in self.results.runs))

    @property
    def batches(self) -> list[tuple[int, int]]:
        """Every batch size a runtime was measured with, and on how many streams."""
        return sorted({(rate.batch, rate.streams) for rate in self.results.rates})

    def _runs(self, server, load):
        return [run for run in self.results.runs if (run.server, run.load) == (server, load)]


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound, and where the measured value lies; both in the same unit."""

    what: str
    measured: float
    bound: float
    unit: str
    """%, ms, s or MiB."""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of its bound."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def budgets(summary: Summary) -> list[Budget]:
    """Hold Glyph to every budget that was measured."""
    found = []
    for server in summary.servers:
        if server.kind == "glyph":
            found += [_of_floor(summary, server), _of_runtime(summary, server)]
            found += [_latency(summary, server)]
            if server.runtime == "openvino":
                found += [_cold_start(summary, server), _memory(summary, server)]
    return [budget for budget in found if budget is not None]


def _of_floor(summary: Summary, server: Server) -> Budget | None:
    share = summary.beside(server, FLOOR, BUSY)
    bound = SHARES_OF_FLOOR.get(server.model)
    if share is None or bound is None:
        return None
    what = f"{_name(server)}: single images, 32 connections, of the floor"
    return Budget(what, share * 100, bound * 100, "%", at_least=True)


def _of_runtime(summary: Summary, server: Server) -> Budget | None:
    share = summary.beside_runtime(server, BULK_RAW)
    what = f"{_name(server)}: bulk as raw bytes, of the runtime alone"
    if share is None:
        return None
    return Budget(what, share * 100, SHARE_OF_RUNTIME * 100, "%", at_least=True)


def _latency(summary: Summary, server: Server) -> Budget | None:
    found, floor = (summary.of(s, ONE, "p50_ms") for s in (server, FLOOR))
    rate = summary.rate(server.model, server.runtime, 1)
    if found is None or floor is None or rate is None:
        return None
    what = f"{_name(server)}: p50 of one connection; the floor's + twice the runtime's"
    return Budget(what, found, floor + 2 * 1000 / rate, "ms")


def _cold_start(summary: Summary, server: Server) -> Budget | None:
    found = summary.start_s(server)
    what = f"{_name(server)}: command to first prediction"
    return None if found is None else Budget(what, found, COLD_START_S, "s")


def _memory(summary: Summary, server: Server) -> Budget | None:
    found = summary.memory_mib(server)
    what = f"{_name(server)}: memory of all processes after load (PSS)"
    return None if found is None else Budget(what, found, MEMORY_MIB, "MiB")


def _name(server: Server) -> str:
    return f"{server.model}, {server.runtime}"
