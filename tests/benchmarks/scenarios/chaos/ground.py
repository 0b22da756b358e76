"""The service that is put through chaos, and the surroundings that can be taken from it."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from model_store import ModelStore
from model_store.operations.retention import clear, plan
from tests.benchmarks.scenarios.chaos.asking import variant_of
from tests.benchmarks.scenarios.chaos.clock import Clock
from tests.benchmarks.scenarios.chaos.family import Family, family_of, strangers_of
from tests.benchmarks.scenarios.misbehaving import with_hooks
from tests.benchmarks.scenarios.states import default_of, wait_for_default
from tests.benchmarks.scenarios.variants import MNIST, publish
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "mnist"
WORKERS = 2
_KEPT = 6
_STORE_MIB, _RUN_MIB = 128, 16
_TRIAL_TIMEOUT_S = 10


class SkippedError(Exception):
    """Raised when an event cannot be made here; the text says why."""


@dataclass(slots=True)
class Ground:
    """What events act on."""

    service: Service
    store: ModelStore
    place: Path
    run_dir: Path
    mounted: bool
    """The store and the run directory are on small file systems of their own."""
    clock: Clock | None
    doomed: list[tuple[float, set[int]]] = field(default_factory=list)
    """When web workers were killed (monotonic seconds), and their clients' ports."""
    variants: dict[int, str | None] = field(default_factory=dict)
    """What each version is that was ever published; None is a bad one."""

    def family(self) -> Family:
        """Look at the processes."""
        return family_of(self.service.process.pid, self.service.port)

    def strays(self) -> list[int]:
        """Return processes of the service that its master knows nothing of."""
        return strangers_of(self.service.process.pid, self.run_dir)

    def publish(self, variant: str) -> int:
        """Publish a good version, and remove old ones; returns its number."""
        self.note_versions()
        clear(self.store, MODEL, plan(self.store, MODEL, _KEPT)[1])
        version = publish(self.store, MODEL, variant)
        self.variants[version] = variant
        return version

    def note_versions(self) -> None:
        """Look at what each version is before it may be removed."""
        for version in set(self.store.versions(MODEL)) - self.variants.keys():
            self.variants[version] = variant_of(self.store.path(MODEL, version))

    def default(self) -> int | None:
        """Return the version that answers."""
        return default_of(self.service)

    def newest_good(self) -> int:
        """Return the version that should answer while none is pinned."""
        control = self.store.control(MODEL)
        present = set(self.store.versions(MODEL))
        return max(present & control.passed.keys() - control.quarantined.keys())

    def others(self) -> list[int]:
        """Return the good versions that do not answer now."""
        control = self.store.control(MODEL)
        good = control.passed.keys() & set(self.store.versions(MODEL)) - control.quarantined.keys()
        return sorted(good - {self.default()})


@contextlib.contextmanager
def grounds(log: Path) -> Iterator[Ground]:
    """Run a service with three good versions, the newest of which serves."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        place = Path(name)
        mounted = all(
            [
                stack.enter_context(_small_disk(place / "disk", _STORE_MIB)),
                stack.enter_context(_small_disk(place / "run", _RUN_MIB)),
            ]
        )
        store = ModelStore(place / "disk" / "models")
        for variant in MNIST:
            publish(store, MODEL, variant)
        clock = Clock.install(place)
        service = Service(
            store.root,
            log,
            run_dir=place / "run" / "glyph",
            runtime="openvino",
            precision="f32",
            log_format="json",
            trial_timeout_s=_TRIAL_TIMEOUT_S,
        )
        service.environ |= {"PYTHONPATH": with_hooks(), **(clock.environ if clock else {})}
        with service:
            service.ready()
            ground = Ground(service, store, place, place / "run" / "glyph", mounted, clock)
            ground.note_versions()
            wait_for_default(service, len(MNIST))
            yield ground


@contextlib.contextmanager
def _small_disk(place: Path, mib: int) -> Iterator[bool]:
    """Mount a small file system where that is possible; yields whether it is."""
    place.mkdir()
    mounted = mount(place, mib)
    try:
        yield mounted
    finally:
        if mounted:
            unmount(place)


def mount(place: Path, mib: int) -> bool:
    """Mount an empty file system over a directory; returns whether that was possible."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "glyph-chaos", str(place)]
    with contextlib.suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


def unmount(place: Path) -> None:
    """Take a file system away that `mount` put there."""
    subprocess.run(["umount", "-l", str(place)], check=True)
