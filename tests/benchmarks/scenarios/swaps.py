"""Do two hundred swaps cost anybody an answer, or the service any memory?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import numpy as np
from tqdm import tqdm

from model_store import ModelStore
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.processes import Usage, pss_mib, usages
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import ENDLESS_S, Generators, json_option, served
from tests.benchmarks.scenarios.states import default_of, states
from tests.benchmarks.scenarios.variants import MNIST, marked, publish
from tests.service import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.load import Measured
    from tests.service import Service

_IMAGES = 16
_TOLERANCE = 1e-5
_TIMES = 2
_FLAT_MIB_PER_SWAP = 0.05
"""Ten MiB in two hundred swaps."""


@dataclass(slots=True)
class Seen:
    """What was noted while versions were published; moments are monotonic seconds."""

    calm: list[tuple[float, float]] = field(default_factory=list)
    publishing: list[tuple[float, float]] = field(default_factory=list)
    swapping: list[tuple[float, float]] = field(default_factory=list)
    """From a version's appearance in the store until it serves and the one before has gone."""
    usages: list[list[Usage]] = field(default_factory=list)
    """After each swap."""


@click.command()
@click.option("--swaps", default=200, show_default=True, help="Versions published after another.")
@click.option("--clients", default=32, show_default=True)
@click.option("--calm-s", default=0.5, show_default=True, help="Between two swaps.")
@json_option
def swaps(swaps: int, clients: int, calm_s: float, json_path: Path | None) -> None:
    """Publish versions one after another while clients ask about single images without pause.

    Three models take turns, and disagree about every image that is asked for: each answer is
    compared with what the version that it names answers alone.

    python -m tests.benchmarks.scenarios swaps --swaps 20
    """
    with served(precision="f32") as service, Generators(service.port) as generators:
        store, images = ModelStore(service.store), marked("good-0", _IMAGES)
        alone = np.array(
            [_alone(service, images)]
            + [_published_alone(service, store, variant, images) for variant in MNIST[1:]]
        )
        requests = [as_json(image[np.newaxis]) for image in images]
        plan = Closed(requests=requests, clients=clients, seconds=ENDLESS_S, read=True)
        with generators.load(plan) as running:
            seen = _swap(service, store, swaps, calm_s)
    report = Report(f"{swaps} swaps under {clients} clients")
    _tell_answers(report, running.result(), alone)
    _tell_latency(report, running.result(), seen)
    _tell_processes(report, [sample for sample in seen.usages if sample])
    report.finish(json_path)


def kind_of(version: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the three models a version is."""
    return (version - 1) % len(MNIST)


def _alone(service: Service, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ask about each image by itself; gives (images, classes)."""
    answers = [service.predict({"instances": [image.tolist()]}).json() for image in images]
    return np.array([one["predictions"][0]["probabilities"] for one in answers], np.float32)


def _published_alone(
    service: Service, store: ModelStore, variant: str, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    _wait_until_alone(service, publish(store, "mnist", variant))
    return _alone(service, images)


def _wait_until_alone(service: Service, version: int) -> None:
    """Wait until a version serves and no other is loaded."""
    wait_until(
        lambda: default_of(service) == version and set(states(service)) == {version},
        f"only version {version} is loaded",
    )


def _swap(service: Service, store: ModelStore, swaps: int, calm_s: float) -> Seen:
    seen = Seen()
    for turn in tqdm(range(swaps), unit="swap", desc="swaps", leave=False, disable=None):
        begin = time.monotonic()
        time.sleep(calm_s)
        end_of_calm = time.monotonic()
        version = publish(store, "mnist", MNIST[turn % len(MNIST)])
        published = time.monotonic()
        _wait_until_alone(service, version)
        seen.calm.append((begin, end_of_calm))
        seen.publishing.append((end_of_calm, published))
        seen.swapping.append((published, time.monotonic()))
        seen.usages.append(usages(service))
    return seen


def _tell_answers(report: Report, measured: Measured, alone: NDArray[np.float32]) -> None:
    answers = measured.answers
    off = answers.off(alone, kind_of)
    failed = failures(measured.records)
    common = "; ".join(f"{s} {text} ({n})" for (s, text), n in measured.sentences.most_common(3))
    report.add("answers", f"{len(off):,}, of {len(np.unique(answers.version))} versions")
    report.add("failed", f"{failed} {common}".strip() or "0", "0", holds=not failed)
    wrong = int((off > _TOLERANCE).sum())
    report.add(
        "answers that are not those of the version they name",
        f"{wrong:,}; largest difference {off.max(initial=0):.2g}",
        f"0; at most {_TOLERANCE:g}",
        holds=not wrong,
    )
    apart = min(float(np.abs(a - b).max(axis=1).min()) for a, b in _pairs(alone))
    report.add("the models' own answers differ by at least", f"{apart:.2g}")


def _pairs(alone: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    return [(a, b) for n, a in enumerate(alone) for b in alone[n + 1 :]]


def _tell_latency(report: Report, measured: Measured, seen: Seen) -> None:
    calm = took(_sent_within(measured.records, seen.calm))
    report.add("between swaps, p50 / p99", f"{p50_p99(calm)}; {len(calm):,} answers")
    swapping = took(_sent_within(measured.records, seen.swapping))
    limit_ms = _TIMES * percentile_ms(calm, 99)
    report.add(
        "during swaps, p50 / p99",
        f"{p50_p99(swapping)}; {len(swapping):,} answers",
        f"p99 under {_TIMES} times that between: {limit_ms:.1f} ms",
        holds=percentile_ms(swapping, 99) < limit_ms,
    )
    publishing = took(_sent_within(measured.records, seen.publishing))
    report.add("while a publisher writes, p50 / p99", p50_p99(publishing))
    seconds = np.array([end - start for start, end in seen.swapping])
    report.add("from published to the old one gone", f"{p50_p99(seconds)} (p50 / p99)")


def _sent_within(records: NDArray[np.void], spans: list[tuple[float, float]]) -> NDArray[np.void]:
    """Return the requests sent in any of some spans, which are sorted and disjoint."""
    starts, ends = (np.array(side) for side in zip(*spans, strict=True))
    place = np.searchsorted(starts, records["sent"], side="right") - 1
    return records[(place >= 0) & (records["sent"] < ends[np.maximum(place, 0)])]


def _tell_processes(report: Report, samples: list[list[Usage]]) -> None:
    late = samples[len(samples) // 3 :]
    totals = [pss_mib(sample) for sample in samples]
    slope = slope_per_step([pss_mib(sample) for sample in late])
    report.add(
        "memory of all (PSS) after each swap",
        f"{totals[0]:.0f} MiB at first, {totals[-1]:.0f} at last, at most {max(totals):.0f}; "
        f"{slope:+.3f} MiB a swap over the last two thirds",
        f"flat: at most {_FLAT_MIB_PER_SWAP} MiB a swap",
        holds=slope <= _FLAT_MIB_PER_SWAP,
    )
    first, last = ({one.pid for one in sample} for sample in (samples[0], samples[-1]))
    report.add("processes replaced", str(len(last - first)))
    for role in sorted({one.role for sample in late for one in sample}):
        _tell_role(report, role, [one for sample in late for one in sample if one.role == role])


def _tell_role(report: Report, role: str, looks: list[Usage]) -> None:
    fds, threads = ([getattr(one, what) for one in looks] for what in ("fds", "threads"))
    growth = slope_per_step(fds), slope_per_step(threads)
    report.add(
        f"{role}, the last two thirds",
        f"{looks[0].pss_mib:.1f} to {looks[-1].pss_mib:.1f} MiB; {min(fds)} to {max(fds)} "
        f"descriptors; {min(threads)} to {max(threads)} threads",
        "descriptors and threads do not grow",
        holds=all(not abs(slope) * len(looks) > 2 for slope in growth),  # nan of a single look
    )


def slope_per_step(values: list[float]) -> float:
    """Fit a line; nan of fewer than two values."""
    if len(values) < 2:
        return float("nan")
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])
