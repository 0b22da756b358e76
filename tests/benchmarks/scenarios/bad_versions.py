"""Is each kind of bad version refused with its reason, while the good one serves on?"""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from model_store import ModelStore
from model_store.signing.keys import PUBLIC_KEY, PrivateKey
from model_store.signing.signatures import sign_with
from model_store.version.drafts import unsigned
from tests.benchmarks.scenarios import damage
from tests.benchmarks.scenarios.damage import GOOD, REFUSED, Scene
from tests.benchmarks.scenarios.images import as_json
from tests.benchmarks.scenarios.load import Closed
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, took
from tests.benchmarks.scenarios.signed_damage import REFUSED_WITH_KEYS
from tests.benchmarks.scenarios.stage import ENDLESS_S, Generators, json_option, served
from tests.benchmarks.scenarios.states import default_of, refusal, states, wait_for_default
from tests.benchmarks.scenarios.variants import marked, publish
from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service import Service

_IGNORED_S = 1.0
"""In which the store is looked at a few times."""
SLOW = {"files first": False, "manifest first": True}


@click.command(name="bad-versions")
@click.option("--clients", default=8, show_default=True)
@click.option("--step-s", default=0.3, show_default=True, help="Between two files of a slow copy.")
@json_option
def bad_versions(clients: int, step_s: float, json_path: Path | None) -> None:
    """Put one bad version after another into the store while clients ask without pause.

    Those with a wrong signature come to a second service, which has a public key.

    python -m tests.benchmarks.scenarios bad-versions
    """
    report = Report(f"Bad versions under {clients} clients")
    with staged() as (service, scene), _load(report, "without keys", service, clients):
        witness = Witness(report, service)
        for name, (make, part) in REFUSED.items():
            witness.tell_refused(name, make(scene), part)
        witness.tell_ignored("no manifest", damage.without_manifest(scene))
        for name, manifest_first in SLOW.items():
            witness.tell_slow(name, scene, step_s, manifest_first=manifest_first)
    with staged(PrivateKey.make()) as (service, scene), _load(report, "keys", service, clients):
        witness = Witness(report, service)
        for name, (make, part) in REFUSED_WITH_KEYS.items():
            witness.tell_refused(name, make(scene), part)
    report.finish(json_path)


@contextlib.contextmanager
def staged(key: PrivateKey | None = None) -> Iterator[tuple[Service, Scene]]:
    """Run a service on three good versions; with a key they are signed, and must be."""
    with tempfile.TemporaryDirectory() as place:
        store = ModelStore(Path(place) / "models")
        scene = Scene(store, Path(place), sign_with(key) if key else unsigned)
        for _ in range(GOOD):
            publish(store, "mnist", "good-0", scene.sign_hook)
        settings: dict[str, object] = {"runtime": "openvino"}  # no other is tried after it
        if key is not None:
            path = Path(place) / PUBLIC_KEY
            path.write_bytes(key.public.pem())
            settings["public_keys"] = path
        with served(store.root, **settings) as service:
            wait_for_default(service, GOOD)
            yield service, scene


@contextlib.contextmanager
def _load(report: Report, name: str, service: Service, clients: int) -> Iterator[None]:
    requests = [as_json(image[np.newaxis]) for image in marked("good-0", 8)]
    plan = Closed(requests=requests, clients=clients, seconds=ENDLESS_S, read=True)
    with Generators(service.port) as generators:
        with generators.load(plan) as running:
            yield
        measured = running.result()
    failed = failures(measured.records)
    versions = ", ".join(map(str, np.unique(measured.answers.version)))
    report.add(
        f"{name}: failed answers",
        f"{failed or 0} of {len(measured.records):,}; answered by versions {versions}; "
        f"{p50_p99(took(measured.records))} (p50 / p99)",
        "0",
        holds=not failed,
    )


@dataclass(slots=True)
class Witness:
    """Reports how a service handled bad versions."""

    report: Report
    service: Service
    refused: int = 0
    """So far."""

    def tell_refused(self, name: str, version: int, part: str) -> None:
        """Wait until a version is refused, and tell why."""
        reason = wait_until(lambda: refusal(self.service, version), f"{name} is refused")
        serving = default_of(self.service)
        self.refused += 1
        counted = self._counted()
        self.report.add(
            name,
            f"refused: {reason}; version {serving} serves; {counted:.0f} refused in all",
            f"refused ('{part}'); version {GOOD} serves; {self.refused} refused in all",
            holds=(part in reason, serving, counted) == (True, GOOD, self.refused),
        )

    def tell_ignored(self, name: str, version: int) -> None:
        """Report that a directory is not taken for a version."""
        time.sleep(_IGNORED_S)
        state, serving = states(self.service).get(version), default_of(self.service)
        self.report.add(
            name,
            f"{state or 'not a version'}; version {serving} serves",
            f"not a version; version {GOOD} serves",
            holds=(state, serving) == (None, GOOD),
        )

    def tell_slow(self, name: str, scene: Scene, step_s: float, *, manifest_first: bool) -> None:
        """Report the state of a good version while it was being copied, and afterwards."""
        seen = []

        def step(number: int) -> None:
            time.sleep(step_s)
            seen.append(states(self.service).get(number, "no version"))

        number = damage.copied_slowly(scene, step, manifest_first=manifest_first)
        told = refusal(self.service, number)
        before = list(dict.fromkeys(seen[:-1]))
        wait_for_default(self.service, number)
        self.report.add(
            f"copied slowly, {name}",
            f"meanwhile {', '.join(before)}{f' ({told})' if told else ''}; then version {number} "
            "serves",
            "it serves only once it is whole",
            holds="serving" not in before,
        )

    def _counted(self) -> float:
        labels = {"model": "mnist", "outcome": "refused"}
        return self.service.metric("glyph_model_loads_total", **labels) or 0
