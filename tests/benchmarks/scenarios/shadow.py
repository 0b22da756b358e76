"""What does a shadow cost the callers, and does it count agreement exactly?"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tqdm import tqdm

from model_store import ModelStore
from model_store.operations import operations
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Open, run
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import Generators, json_option, served
from tests.benchmarks.scenarios.states import described, wait_until_passed
from tests.benchmarks.scenarios.variants import marked, publish, unmarked
from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tests.service import Service

DEFAULT, SHADOW = 1, 2
_AGREED, _DISAGREED = 13, 7
"""Images of which the two versions agree, and others; of each round of requests."""
_COUNTED_RATE = 100.0
"""Requests per second."""
_OK = 200
_OUTCOMES = ("agreed", "disagreed", "failed", "skipped")


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="Of one measurement.")
@click.option("--repeats", default=3, show_default=True, help="With and without, in turn.")
@click.option("--rate", default=200.0, show_default=True, help="Requests per second.")
@click.option("--rounds", default=50, show_default=True, help="Of the set that is counted.")
@json_option
def shadow(seconds: float, repeats: int, rate: float, rounds: int, json_path: Path | None) -> None:
    """Measure single images with a shadow of all requests and without; count a known set.

    The two versions agree about 13 of 20 images and disagree about the others.

    python -m tests.benchmarks.scenarios shadow --seconds 3 --repeats 1 --rounds 10
    """
    report = Report(f"A shadow of all requests, {rate:g}/s")
    images = np.concatenate([unmarked("good-0", _AGREED), marked("good-0", _DISAGREED)])
    requests = [as_json(image[np.newaxis]) for image in images]
    plan = Open(requests=requests, rate=rate, seconds=seconds)
    with staged() as (service, store), Generators(service.port) as generators:
        generators.run("warm", [plan])
        _set(service, store, 100)
        _tell_counts(report, service, requests, rounds)
        found: dict[str, list[NDArray[np.void]]] = {"off": [], "on": []}
        for _ in range(repeats):
            for name, percent in (("off", 0), ("on", 100)):
                _set(service, store, percent)
                found[name].append(generators.run(f"shadow {name}", [plan]).records)
        _tell_latency(report, {name: np.concatenate(runs) for name, runs in found.items()})
        _tell_share(report, service)
    report.finish(json_path)


@contextlib.contextmanager
def staged() -> Iterator[tuple[Service, ModelStore]]:
    """Run a service with two versions loaded; the older one is the default."""
    with tempfile.TemporaryDirectory() as place:
        store = ModelStore(Path(place) / "models")
        for variant in ("good-0", "good-1"):
            publish(store, "mnist", variant)
        operations.pin(store, "mnist", DEFAULT, reason="the newer one is compared with it")
        with served(store.root, precision="f32") as service:
            wait_until_passed(store, SHADOW)
            yield service, store


def _set(service: Service, store: ModelStore, percent: float) -> None:
    """Set the shadow's share, and wait until the host has it; 0 ends it."""
    label = {"version": SHADOW} if percent else {}
    operations.shadow(store, "mnist", percent, reason="a comparison", **label)

    def known() -> bool:
        share = described(service)["traffic"]["shadow"]
        return (share["percent"] if share else 0) == percent

    wait_until(known, "the shadow's share is known")


def _tell_latency(report: Report, found: dict[str, NDArray[np.void]]) -> None:
    for name, records in found.items():
        failed = failures(records)
        report.add(
            f"shadow {name}, p50 / p99",
            f"{p50_p99(took(records))}; failed: {failed or 0} of {len(records):,}",
            "no failed answer",
            holds=not failed,
        )
    on_ms, off_ms = (percentile_ms(took(found[name]), 99) for name in ("on", "off"))
    report.add("p99 with a shadow against without", f"{on_ms - off_ms:+.1f} ms")


def _tell_counts(report: Report, service: Service, requests: list[bytes], rounds: int) -> None:
    """Ask about the set again and again, each time when the shadow has done what there was."""
    before = counts(service)
    answered = 0
    for turn in tqdm(range(1, rounds + 1), unit="round", leave=False, disable=None):
        measured = run(
            [Open(requests=requests, rate=_COUNTED_RATE, seconds=len(requests) / _COUNTED_RATE)],
            service.port,
            begin=time.monotonic(),
        )
        answered += int((measured.records["status"] == _OK).sum())
        total = turn * len(requests)
        wait_until(lambda n=total: _rise(service, before).total() >= n, "all are compared")
    rise = _rise(service, before)
    wanted = Counter(agreed=rounds * _AGREED, disagreed=rounds * _DISAGREED)
    report.add(
        f"counted of {answered:,} images",
        ", ".join(f"{name} {rise[name]:,}" for name in _OUTCOMES),
        f"agreed {wanted['agreed']:,}, disagreed {wanted['disagreed']:,}, and no others",
        holds=rise == wanted and answered == rounds * len(requests),
    )


def _tell_share(report: Report, service: Service) -> None:
    """Report what the shadow found time for; the counted set is in it."""
    found = counts(service)
    compared = found["agreed"] + found["disagreed"]
    report.add("compared in all", f"{compared:,} of {found.total():,} images")


def counts(service: Service) -> Counter[str]:
    """Read what the shadow has made of images so far."""
    name = "glyph_shadow_images_total"
    found = {x: service.metric(name, model="mnist", outcome=x) for x in _OUTCOMES}
    return Counter({outcome: int(count or 0) for outcome, count in found.items()})


def _rise(service: Service, before: Counter[str]) -> Counter[str]:
    now = counts(service)
    return Counter({name: now[name] - before[name] for name in _OUTCOMES})
