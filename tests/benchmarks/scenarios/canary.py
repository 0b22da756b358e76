"""Does a canary get its share of the traffic, and do sticky callers stay with their version?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from scipy.stats import binom

from model_store import Golden, ModelStore
from model_store.operations import operations
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Open
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, took
from tests.benchmarks.scenarios.stage import Generators, json_option, served
from tests.benchmarks.scenarios.states import described, wait_until_passed
from tests.benchmarks.scenarios.variants import marked, publish, variants
from tests.service import wait_until

if TYPE_CHECKING:
    from tests.benchmarks.scenarios.load import Measured
    from tests.service import Service

DEFAULT, CANARY = 1, 2
_PERCENT = 10.0
_SURE = 0.999
_EACH = 10
"""Requests of a sticky caller."""
_HEADER = "X-Caller"


@click.command()
@click.option("--requests", "count", default=20_000, show_default=True, help="Of each kind.")
@click.option("--rate", default=800.0, show_default=True, help="Requests per second.")
@json_option
def canary(count: int, rate: float, json_path: Path | None) -> None:
    """Send a tenth of the requests to a canary: each by itself, then by the caller's header.

    The two versions disagree about every image, so that an answer tells which one computed it.

    python -m tests.benchmarks.scenarios canary --requests 2000
    """
    report = Report(f"A canary at {_PERCENT:g} %, {count:,} requests at {rate:g}/s")
    with tempfile.TemporaryDirectory() as place:
        store = ModelStore(Path(place) / "models")
        for variant in ("good-0", "good-1"):
            publish(store, "mnist", variant)
        operations.pin(store, "mnist", DEFAULT, reason="the canary is tried beside it")
        with served(store.root, precision="f32") as service, Generators(service.port) as generators:
            wait_until_passed(store, CANARY)
            _start(service, store, None)
            image = marked("good-0", 1)
            plan = Open(requests=[as_json(image)], rate=rate, seconds=count / rate, read=True)
            _tell_requests(report, generators.run("by request", [plan]))
            _start(service, store, _HEADER)
            callers = [as_json(image, X_Caller=f"caller-{n}") for n in range(count // _EACH)]
            plan = Open(requests=callers, rate=rate, seconds=count / rate, read=True)
            _tell_callers(report, generators.run("sticky", [plan]))
    report.finish(json_path)


def _start(service: Service, store: ModelStore, header: str | None) -> None:
    """Begin a canary, and wait until every web worker knows."""
    operations.canary(store, "mnist", _PERCENT, CANARY, sticky_header=header, reason="a trial")

    def known() -> bool:
        share = described(service)["traffic"]["canary"]
        return share is not None and share.get("sticky_header") == header

    for _ in range(20):  # whichever worker answers
        wait_until(known, "the canary is known")


def _tell_requests(report: Report, measured: Measured) -> None:
    _tell_answers(report, "by request", measured)
    taken = measured.answers.version == CANARY
    _tell_share(report, "by request: to the canary", int(taken.sum()), len(taken))


def _tell_callers(report: Report, measured: Measured) -> None:
    _tell_answers(report, "sticky", measured)
    answers = measured.answers
    callers = np.unique(answers.request)
    versions = [np.unique(answers.version[answers.request == n]) for n in callers]
    moved = sum(len(found) > 1 for found in versions)
    report.add(
        "sticky: callers who got both versions",
        f"{moved} of {len(callers):,}, each with {_EACH} requests",
        "0",
        holds=not moved,
    )
    taken = sum(found[0] == CANARY for found in versions)
    _tell_share(report, "sticky: callers on the canary", taken, len(callers))


def _tell_share(report: Report, what: str, taken: int, total: int) -> None:
    least, most = bounds(total, _PERCENT / 100)
    report.add(
        what,
        f"{taken:,} of {total:,}: {taken / total:.2%}",
        f"{least:,} to {most:,}, where {_SURE:.1%} of all runs are",
        holds=least <= taken <= most,
    )


def bounds(total: int, share: float) -> tuple[int, int]:
    """Return the counts between which 99.9 % of all runs are."""
    least, most = binom.interval(_SURE, total, share)
    return int(least), int(most)


def _tell_answers(report: Report, what: str, measured: Measured) -> None:
    failed = failures(measured.records)
    told = f"{failed or 0} of {len(measured.records):,}; {p50_p99(took(measured.records))}"
    report.add(f"{what}: failed", told, "0", holds=not failed)
    classes = measured.answers.probabilities.argmax(axis=1)
    of_default = int(Golden.read(variants() / "good-0").probabilities[0].argmax())
    expected = np.where(measured.answers.version == CANARY, (of_default + 1) % 10, of_default)
    wrong = int((classes != expected).sum())
    report.add(f"{what}: answers of another version", f"{wrong:,}", "0", holds=not wrong)
