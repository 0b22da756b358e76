"""Events in the store: versions good and bad, publishers that die, what operators do."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from model_store.operations import operations
from tests.benchmarks.scenarios import damage
from tests.benchmarks.scenarios.chaos.done import Done, Settled, done
from tests.benchmarks.scenarios.chaos.ground import MODEL, SkippedError
from tests.benchmarks.scenarios.misbehaving import publish_misbehaving
from tests.benchmarks.scenarios.publisher import publishing
from tests.benchmarks.scenarios.states import refusal, wait_for_default
from tests.benchmarks.scenarios.variants import MNIST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.plan import Event

_REASON = ("--reason", "chaos")
_ALONE = "no version before it has been tried"
_BAD = ("truncated file", "flipped bit", "NaN weights", "classes swapped against golden")
_MISBEHAVING = ("abort", "segfault", "exhaust memory", "never end", "sleep", "fork")


def publish_good(ground: Ground, event: Event) -> Done:
    """Publish a good version."""
    version = ground.publish(event.dice().choice(MNIST))
    return done(f"version {version}", is_default(ground, version))


def publish_bad(ground: Ground, event: Event) -> Done:
    """Publish a version whose files or answers are wrong."""
    kind = event.dice().choice(_BAD)
    make, part = damage.REFUSED[kind]
    source = ground.newest_good()
    scene = damage.Scene(ground.store, ground.place / "disk", source=source)
    return _bad(ground, kind, part, partial(make, scene))


def publish_misbehaved(ground: Ground, event: Event) -> Done:
    """Publish a version that misbehaves while it is tried."""
    kind = event.dice().choice(_MISBEHAVING)
    return _bad(ground, kind, "", partial(publish_misbehaving, ground.store, kind))


def kill_publisher(ground: Ground, event: Event) -> Done:
    """Kill a publisher wherever it is; what it published by then serves."""
    variant, seconds = event.dice().choice(MNIST), event.lasts_s(0.2, 1.5)
    publisher = publishing(str(ground.store.root), MODEL, variant, 50)
    time.sleep(seconds)
    publisher.kill()
    publisher.communicate()
    ground.note_versions()

    def settled() -> str | None:
        good = [n for n in ground.store.versions(MODEL) if ground.variants.get(n) is not None]
        return is_default(ground, max(good))()

    return done(f"after {seconds:.2f} s, newest version {ground.newest_good()}", settled)


def pin(ground: Ground, event: Event) -> Done:
    """Pin a version, see it answer, and let the policy choose again."""
    others = ground.others()
    if not others:
        raise SkippedError(_ALONE)
    version = event.dice().choice(others)
    operations.pin(ground.store, MODEL, version, by="chaos")
    return _back(ground, f"pinned {version}", version)


def rollback(ground: Ground, _event: Event) -> Done:
    """Go back a version by glyph models, and let the policy choose again."""
    if not ground.others():
        raise SkippedError(_ALONE)
    command = [sys.executable, "-m", "app", "models", "rollback", "--store", str(ground.store.root)]
    subprocess.run([*command, *_REASON], check=True, capture_output=True)
    version = ground.store.control(MODEL).pinned
    return _back(ground, f"back to {version}", version)


def _back(ground: Ground, words: str, version: int | None) -> Done:
    try:
        wait_for_default(ground.service, version)
    finally:
        operations.unpin(ground.store, MODEL, by="chaos")
        if operations.STABLE in ground.store.control(MODEL).labels:  # it keeps a version loaded
            operations.label(ground.store, MODEL, operations.STABLE, None, by="chaos")
    return done(words, is_default(ground, ground.newest_good()))


def _bad(ground: Ground, kind: str, part: str, make: Callable[[], int]) -> Done:
    before = ground.default()
    version = make()
    ground.variants[version] = None

    def settled() -> str | None:
        reason = refusal(ground.service, version)
        if reason is None or part not in reason:
            return f"version {version} ({kind}) is not refused for it: {reason}"
        return is_default(ground, before)()

    return done(f"version {version}: {kind}", settled)


def is_default(ground: Ground, version: int | None) -> Settled:
    """Return what tells whether a version answers whoever asks for none."""

    def settled() -> str | None:
        found = ground.default()
        if found == version:
            return None
        reason = refusal(ground.service, version) if version else None
        told = f", which is refused: {reason}" if reason else ""
        return f"version {found} answers, not version {version}{told}"

    return settled
