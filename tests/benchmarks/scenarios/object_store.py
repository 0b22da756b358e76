"""What do callers see while an object store is written, away, or changed behind the cache?"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from model_store import Golden, open_store
from tests.benchmarks.scenarios.publisher import publishing
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.s3 import LOCATION, Gate, S3Server, credentials
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.states import default_of, refusal, wait_for_default
from tests.benchmarks.scenarios.under_load import asked_meanwhile
from tests.benchmarks.scenarios.variants import publish, variants
from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_store import Store
    from tests.service import Service

_WEIGHTS = "variables/variables.data-00000-of-00001"
MIDWAY_BYTES = 400_000
"""The weights of a version alone have more."""
_PUBLISHERS, _EACH = 2, 3
_PATIENCE_S = 30


@dataclass(slots=True)
class Scene:
    """A bucket, and what is served from it."""

    report: Report
    store: Store
    server: S3Server
    gate: Gate
    """Between the service and the server."""
    clients: int

    @contextlib.contextmanager
    def served(self, name: str, cache: Path) -> Iterator[Service]:
        """Run a service on the bucket, with clients while the block runs."""
        with (
            credentials(self.gate.url),
            served(LOCATION, cache_dir=cache, log_format="json") as service,
            asked_meanwhile(self.report, name, service, self.clients),
        ):
            yield service

    def tell_default(self, what: str, service: Service, version: int) -> None:
        """Report which version serves."""
        with contextlib.suppress(AssertionError):  # then the line says what serves instead
            wait_for_default(service, version)
        found = default_of(service)
        told = f"version {found} serves"
        self.report.add(what, told, f"version {version} serves", holds=found == version)


@click.command(name="object-store")
@click.option("--clients", default=8, show_default=True)
@click.option("--away-s", default=4.0, show_default=True, help="How long the store is away.")
@json_option
def object_store(clients: int, away_s: float, json_path: Path | None) -> None:
    """Publish to an S3 server, end it, and change its objects, while clients ask without pause.

    The server is moto's, on this machine.

    python -m tests.benchmarks.scenarios object-store
    """
    report = Report(f"An object store under {clients} clients")
    with (
        tempfile.TemporaryDirectory() as place,
        S3Server() as server,
        Gate(server.port) as gate,
        credentials(server.url),
    ):
        caches = [Path(place) / name for name in ("publisher", "service", "another")]
        store = open_store(LOCATION, caches[0])
        scene = Scene(report, store, server, gate, clients)
        publish(store, "mnist", "good-0")
        with scene.served("publishers, and a store that is away", caches[1]) as service:
            wait_for_default(service, 1)
            two_publishers(scene, service)
            killed_publisher(scene, service)
            store_away(scene, service, away_s)
            newest = publish(store, "mnist", "good-1")
            scene.tell_default("published once the store is back", service, newest)
            change_object(scene, newest)
            scene.tell_default("an object changed in the store", service, newest)
        with scene.served("after a restart with the cache", caches[1]) as service:
            scene.tell_default("changed object, restarted with the cache", service, newest)
            tell_answer(report, service, newest, "good-1")
        with scene.served("after a restart with an empty cache", caches[2]) as service:
            scene.tell_default("changed object, restarted with no cache", service, newest - 1)
            reason = refusal(service, newest)
            told = f"version {newest} is refused: {reason}"
            report.add("its reason", told, "refused, by its digest", holds="SHA-256" in str(reason))
            tell_answer(report, service, newest - 1, "good-2")
    report.finish(json_path)


def two_publishers(scene: Scene, service: Service) -> None:
    """Have several processes publish at once."""
    environ = dict(os.environ)
    running = [
        publishing(LOCATION, "mnist", "good-0", _EACH, **environ) for _ in range(_PUBLISHERS)
    ]
    printed = [one.communicate(timeout=_PATIENCE_S)[0].split() for one in running]
    numbers = sorted(int(number) for numbers in printed for number in numbers)
    for number in numbers:
        scene.store.verify("mnist", number)
    expected = list(range(2, 2 + _PUBLISHERS * _EACH))
    scene.report.add(
        f"{_PUBLISHERS} publishers at once, {_EACH} versions each",
        f"versions {', '.join(map(str, numbers))}, all whole",
        f"{expected[0]} to {expected[-1]}, all whole",
        holds=numbers == expected,
    )
    scene.tell_default("after both", service, expected[-1])


def killed_publisher(scene: Scene, service: Service) -> None:
    """Kill a publisher when a part of its version is there, and publish after it."""
    before = scene.store.versions("mnist")
    with Gate(scene.server.port, MIDWAY_BYTES) as gate:
        environ = os.environ | {"AWS_ENDPOINT_URL": gate.url}
        doomed = publishing(LOCATION, "mnist", "good-1", 1, **environ)
        midway = gate.held_back.wait(_PATIENCE_S)
        doomed.kill()
        doomed.communicate()
    after = scene.store.versions("mnist")
    scene.report.add(
        "a publisher killed midway",
        f"{'midway' if midway else 'not midway'}; {len(after) - len(before)} more versions; "
        f"unfinished: {scene.store.unfinished('mnist') or 'none'}",
        "no version of it",
        holds=midway and after == before,
    )
    scene.tell_default("after it", service, before[-1])
    scene.tell_default("published after it", service, publish(scene.store, "mnist", "good-2"))


def store_away(scene: Scene, service: Service, seconds: float) -> None:
    """Let the store refuse connections for a time, and then say nothing for a time."""
    ways = {
        "refuses connections": (scene.gate.shut, scene.gate.open),
        "says nothing": (scene.server.freeze, scene.server.resume),
    }
    for name, (leave, come_back) in ways.items():
        leave()
        left = time.monotonic()
        wait_until(lambda: service.metric("glyph_store_up") == 0, "the metric tells", _PATIENCE_S)
        end = time.monotonic() + seconds
        told_after_s = end - seconds - left
        ready = []
        while time.monotonic() < end:
            ready.append(service.get("/readyz").status_code)
            time.sleep(0.1)
        come_back()
        wait_until(lambda: service.metric("glyph_store_up") == 1, "it is back", _PATIENCE_S)
        told = [line["message"] for line in service.log_lines() if "store" in line["message"]]
        scene.report.add(
            f"the store {name} for {seconds:g} s",
            f"/readyz {sorted(set(ready))}; glyph_store_up 0 after {told_after_s:.1f} s, then 1; "
            f"told: {told[-2:]}",
            "/readyz 200 all the time, a metric and a log line",
            holds=set(ready) == {200} and bool(told),
        )


def change_object(scene: Scene, version: int) -> None:
    """Flip a bit of a version's weights in the bucket."""
    key = f"models/mnist/{version}/{_WEIGHTS}"
    content = bytearray(scene.server.read(key))
    content[len(content) // 2] ^= 1
    scene.server.write(key, bytes(content))


def tell_answer(report: Report, service: Service, version: int, variant: str) -> None:
    """Report whether a version's answers are those it was published with."""
    golden = Golden.read(variants() / variant)
    answer = service.predict({"instances": golden.images[:8].tolist()}).json()
    found = np.array([one["probabilities"] for one in answer["predictions"]])
    off = float(np.abs(found - golden.probabilities[:8]).max())
    report.add(
        "its answers",
        f"by version {answer['model']['version']}, off by {off:.2g} from golden",
        f"at most {golden.tolerance:g}",
        holds=off <= golden.tolerance and answer["model"]["version"] == version,
    )
