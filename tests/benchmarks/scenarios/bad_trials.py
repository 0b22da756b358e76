"""Is every version that misbehaves while it is tried quarantined, and does nobody notice?"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tqdm import tqdm

from model_store import ModelStore
from tests.benchmarks.scenarios.chaos.family import strangers_of
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.misbehaving import KINDS, publish_misbehaving, with_hooks
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, took
from tests.benchmarks.scenarios.stage import ENDLESS_S, Generators, json_option
from tests.benchmarks.scenarios.states import default_of, refusal, wait_for_default
from tests.benchmarks.scenarios.under_load import between
from tests.benchmarks.scenarios.variants import MNIST, marked, publish
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from model_store import Control

_GOOD = 2
_CLIENTS, _PAUSE_S = 4, 0.02
_CALM_S = 1.0
_TIMES = 2.0
_PATIENCE = 10
"""So many times the bound of a trial: time in which it waits for a core does not count."""
_SETTLE_S = 3.0
_SIGNAL = "crashed with SIG"
_ENDLESS = "had not ended"
_LARGE = "memory"
_UNREADABLE = f"OpenVINO cannot load it|golden image|{_SIGNAL}|bytes long|read"
_REASONS = {
    "abort": "SIGABRT",
    "segfault": "SIGSEGV",
    "exhaust memory": _LARGE,
    "never end": _ENDLESS,
    "sleep": _ENDLESS,
    "fork": "started other processes",
    "fork away": f"started other processes|{_ENDLESS}",
    "exit": "exit code 0",
    "endless graph": _ENDLESS,
    "4 GiB constant": _LARGE,
    "4 GiB computed": _LARGE,
    "deep graph": f"{_SIGNAL}|{_ENDLESS}|{_LARGE}",
}
"""What a true sentence has in it, by kind; files that cannot be read have many."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one version."""

    kind: str
    version: int
    start: float
    """Monotonic seconds, as the next."""
    end: float
    reason: str | None
    serving: int | None


@click.command(name="bad-trials")
@click.option("--versions", default=60, show_default=True, help="Kinds take turns.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Else every kind.")
@click.option("--timeout-s", default=8.0, show_default=True, help="Of a trial.")
@click.option("--memory-mib", default=1024, show_default=True, help="Of a trial.")
@json_option
def bad_trials(
    *,
    versions: int,
    only: tuple[str, ...],
    timeout_s: float,
    memory_mib: int,
    json_path: Path | None,
) -> None:
    """Publish versions that abort, crash, grow, fork or never end while they are tried.

    Clients ask meanwhile, about 150 times a second. A calm second before each version is what the
    latency during its trial is compared with.

    python -m tests.benchmarks.scenarios bad-trials --versions 15
    """
    with _served(trial_timeout_s=timeout_s, trial_memory_mib=memory_mib) as (service, store):
        requests = [as_json(image[np.newaxis]) for image in marked(MNIST[0], 8)]
        plan = Closed(requests=requests, clients=_CLIENTS, seconds=ENDLESS_S, pause_s=_PAUSE_S)
        with Generators(service.port) as generators:
            with generators.load(plan) as running:
                time.sleep(_SETTLE_S)
                kinds = only or tuple(KINDS)
                chosen = [(kinds[turn % len(kinds)], turn) for turn in range(versions)]
                tried = [
                    _try(service, store, kind, turn, timeout_s * _PATIENCE)
                    for kind, turn in tqdm(chosen, unit="version", leave=False, disable=None)
                ]
            records = running.result().records
        report = Report(f"{versions} versions that misbehave in their trial")
        _tell_kinds(report, tried, records, store.control("mnist"))
        _tell_all(report, tried, records, service)
    report.finish(json_path)


@contextlib.contextmanager
def _served(**settings: object) -> Iterator[tuple[Service, ModelStore]]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        store = ModelStore(place / "models")
        for _ in range(_GOOD):
            publish(store, "mnist", MNIST[0])
        options = {"runtime": "openvino", "precision": "f32", "run_dir": place / "run"}
        service = Service(store.root, place / "log", **options, **settings)
        service.environ["PYTHONPATH"] = with_hooks()
        with service:
            wait_for_default(service.ready(), _GOOD)
            yield service, store


def _try(service: Service, store: ModelStore, kind: str, turn: int, patience_s: float) -> Tried:
    """Publish one version, and wait until it is refused."""
    time.sleep(_CALM_S)
    start = time.monotonic()
    version, reason = publish_misbehaving(store, kind, turn), None
    while reason is None and time.monotonic() < start + patience_s:
        time.sleep(0.05)
        reason = refusal(service, version)
    return Tried(kind, version, start, time.monotonic(), reason, default_of(service))


def is_true(kind: str, reason: str | None) -> bool:
    """Return whether a sentence tells what was wrong with a version of this kind."""
    return reason is not None and re.search(_REASONS.get(kind, _UNREADABLE), reason) is not None


def _tell_kinds(
    report: Report, tried: Sequence[Tried], records: NDArray[np.void], control: Control
) -> None:
    calm = took(np.concatenate([between(records, t.start - _CALM_S, t.start) for t in tried]))
    limit_ms = _TIMES * percentile_ms(calm, 99)
    report.add("calm, p50 / p99", f"{p50_p99(calm)}; {len(calm):,} answers")
    for kind in dict.fromkeys(one.kind for one in tried):
        turns = [one for one in tried if one.kind == kind]
        each = [took(between(records, one.start, one.end)) for one in turns]
        pooled = np.concatenate(each)
        held = [one for one in turns if one.version in control.quarantined]
        untrue = [one.reason for one in turns if not is_true(kind, one.reason)]
        seconds = max(one.end - one.start for one in turns)
        worst_ms = max(percentile_ms(one, 99) for one in each)
        report.add(
            kind,
            f"{len(held)} of {len(turns)} quarantined: {(untrue or [turns[0].reason])[0]}; after "
            f"{seconds:.1f} s at most; {p50_p99(pooled)}, p99 of one at most {worst_ms:.1f} ms",
            f"all, with a true sentence; p99 at most {_TIMES:g} times the calm: {limit_ms:.1f} ms",
            holds=len(held) == len(turns) and not untrue and percentile_ms(pooled, 99) <= limit_ms,
        )


def _tell_all(
    report: Report, tried: Sequence[Tried], records: NDArray[np.void], service: Service
) -> None:
    failed = failures(records)
    told = f"{failed or 0} of {len(records):,}"
    report.add("failed answers", told, "0", holds=not failed)
    serving = {one.serving for one in tried}
    report.add("serves", f"version {serving}", f"version {_GOOD}", holds=serving == {_GOOD})
    restarts = service.metric("glyph_host_restarts_total")
    report.add("the host was started again", f"{restarts:.0f} times", "0", holds=restarts == 0)
    left = strangers_of(service.process.pid, Path(service.environ["GLYPH_RUN_DIR"]))
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    report.add("processes left behind", str(len(left)), "0", holds=not left)
