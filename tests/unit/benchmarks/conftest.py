"""A small set of results, as the benchmark would have measured them."""

from __future__ import annotations

import pytest

from tests.benchmarks.cases import FLOOR, Cost, Rate, Results, Run, Server
from tests.benchmarks.summary import BULK_RAW, BUSY, ONE

GLYPH = Server("glyph", "compact", "openvino")
NAIVE = Server("naive", "compact", "openvino")
MACHINE = {
    "settings": "",
    "cpu": "A Processor",
    "cores": "2",
    "python": "3.12.0",
    "gunicorn": "26.1.0",
}


def run(server, load, rate, *, p50_ms=1.0, failures=0, cpu_s=0.5):
    """Make a run of one second."""
    return Run(server, load, rate, 1.0, p50_ms, 9.0, failures, cpu_s)


@pytest.fixture
def results() -> Results:
    """Three runs of three servers with one image each, one in bulk, and what Glyph costs."""
    results = Results(dict(MACHINE), {"compact": 146386}, repeats=3, seconds=1)
    for floor, naive, glyph in ((1000, 200, 700), (1100, 210, 900), (900, 190, 800)):
        results.runs += [
            run(FLOOR, ONE, floor, p50_ms=0.5),
            run(NAIVE, ONE, naive),
            run(GLYPH, ONE, glyph, p50_ms=0.8),
            run(FLOOR, BUSY, floor),
            run(NAIVE, BUSY, naive),
            run(GLYPH, BUSY, glyph),
        ]
    results.runs.append(run(GLYPH, BULK_RAW, 36, failures=2))
    results.rates += [
        Rate("compact", "openvino", "bf16", batch, rate)
        for batch, rates in ((1, (4000, 5000, 9000)), (64, (9000, 10240, 11000)))
        for rate in rates
    ]
    results.starts_s += [Cost(GLYPH, seconds) for seconds in (1.2, 3.5, 1.0)]
    results.memory_mib.append(Cost(GLYPH, 401.0))
    return results
