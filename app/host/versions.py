"""Watches the store, tries new versions and hands the good ones to the engine.

Loading is a trial: manifest, golden images, every batch size. A version that fails is refused with
a sentence, and tried again only when its files change.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from app.host.engine import LoadedVersion
from app.host.selection import Selection, first_line
from app.host.trial import TrialFailedError
from app.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from model_store import Golden, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from app.host.curve import Curve
    from app.host.runtimes.choice import Candidate
    from model_store import ModelStore

log = logging.getLogger(__name__)

Fingerprint = frozenset[tuple[str, int, int]]
"""Name, size and change time of every file of a version."""


class Observer(Protocol):
    """Who is told about loads."""

    def loaded(self, model: str, version: int, seconds: float, curve: Curve) -> None: ...

    def refused(self, model: str) -> None: ...


class VersionWatcher:
    """Keeps the newest good version of one model serving."""

    def __init__(
        self,
        store: ModelStore,
        model: str,
        *,
        candidates: Callable[[], Iterable[Candidate]],
        max_batch: int,
        serve: Callable[[LoadedVersion, Callable[[], None]], None],
        retire: Callable[[str, int], None],
        announce: Callable[[HostStatus], None],
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._model = model
        self._candidates = candidates
        self._max_batch = max_batch
        self._serve = serve
        self._retire = retire
        self._announce = announce
        self._observer = observer
        self._clock = clock
        self._states: dict[int, VersionStatus] = {}
        self._refused: dict[int, Fingerprint] = {}
        self._looked = False
        self._trouble: str | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._telling = threading.Lock()

    def run(self, interval_s: float) -> None:
        """Look at the store until stopped."""
        while not self._stopped.is_set():
            try:
                self.check()
            except Exception as exc:  # noqa: BLE001 - told and logged, and looked at again
                self._cannot_look(exc)
            self._stopped.wait(interval_s)

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def check(self) -> None:
        """Try every version newer than the one that serves, newest first, until one is good."""
        versions = self._store.versions(self._model)
        self._forget_removed(versions)
        serving = self._serving()
        for version in sorted(versions, reverse=True):
            if serving is not None and version <= serving:
                break
            fingerprint = _fingerprint(self._store.path(self._model, version))
            if self._refused.get(version) != fingerprint and self._try(version, fingerprint):
                break
        if not self._looked or self._trouble:
            self._looked, self._trouble = True, None
            self._tell()

    def retired(self, version: int) -> None:
        """Note that the engine has let a version go."""
        with self._lock:
            if self._states.get(version, None) and self._states[version].state == "retiring":
                del self._states[version]
        self._tell()

    def status(self) -> HostStatus:
        """Say what serves, and if nothing does, why."""
        with self._lock:
            versions = tuple(self._states[n] for n in sorted(self._states, reverse=True))
        ready = any(v.state == "serving" for v in versions)
        starting = not self._looked or any(v.state == "loading" for v in versions)
        only = ModelStatus(
            name=self._model,
            ready=ready,
            starting=starting and not ready,
            reason=None if ready else self._why_not(versions, starting=starting),
            default=next((v.version for v in versions if v.state == "serving"), None),
            versions=versions,
        )
        return HostStatus.of(only)

    def _try(self, version: int, fingerprint: Fingerprint) -> bool:
        started = self._clock()
        self._set(VersionStatus(version=version, state="loading"))
        try:
            loaded, status = self._load(version)
        except (StoreError, TrialFailedError) as exc:
            self._refuse(version, fingerprint, str(exc))
            return False
        except Exception as exc:  # whatever it is, the version is not fit to serve
            log.debug("version %d", version, exc_info=True)
            self._refuse(version, fingerprint, f"{type(exc).__name__}: {exc}")
            return False
        before = self._serving()
        self._serve(loaded, lambda: self._promote(status))
        if before is not None:
            self._retire(self._model, before)
        self._observer.loaded(self._model, version, self._clock() - started, loaded.curve)
        self._log(loaded)
        return True

    def _log(self, loaded: LoadedVersion) -> None:
        model, curve = loaded.model, loaded.curve
        log.info(
            "serving %s version %d with %s (%s) in %s; measured per batch: %s",
            loaded.name,
            loaded.version,
            model.runtime,
            model.precision,
            f"batches of up to {curve.limit}" if curve.limit > 1 else "no batches: they do not pay",
            curve,
        )

    def _load(self, version: int) -> tuple[LoadedVersion, VersionStatus]:
        manifest = self._store.verify(self._model, version)
        metadata = self._store.metadata(self._model, version)
        if (metadata.model, metadata.version) != (self._model, version):
            itself = f"version {metadata.version} of {metadata.model}"
            raise TrialFailedError(f"its metadata.json says that it is {itself}")
        directory = self._store.path(self._model, version)
        golden = Golden.read(directory)
        if golden.images.shape[1:] != metadata.input.shape:
            shapes = f"{golden.images.shape[1:]}; its metadata.json says {metadata.input.shape}"
            raise TrialFailedError(f"its golden images have shape {shapes}")
        selection = Selection(
            directory, golden, metadata, max_batch=self._max_batch, clock=self._clock
        )
        found = selection.select(self._candidates())
        loaded = LoadedVersion(
            name=self._model,
            version=version,
            model=found.model,
            curve=found.curve,
            classes=metadata.classes,
            input_shape=metadata.input.shape,
        )
        known = LoadedModel(
            runtime=found.model.runtime,
            precision=found.model.precision,
            passed_over=found.passed_over,
            batch_limit=found.curve.limit,
            batch_seconds={str(size): s for size, s in found.curve.seconds.items()},
            digest=manifest.digest,
            accuracy=metadata.metrics.accuracy,
            classes=metadata.classes,
            input_shape=metadata.input.shape,
            example=base64.b64encode(golden.images[0].tobytes()).decode(),
        )
        return loaded, VersionStatus(version=version, state="serving", loaded=known)

    def _cannot_look(self, exc: Exception) -> None:
        """Tell once why the store cannot be read; what serves goes on serving."""
        trouble = first_line(exc)
        if trouble == self._trouble:
            return
        log.error("looking at the store failed; it is tried on", exc_info=exc)
        self._looked, self._trouble = True, trouble
        self._tell()

    def _forget_removed(self, present: Collection[int]) -> None:
        """Stop telling of refused versions that are in the store no more."""
        with self._lock:
            refused = (n for n, v in self._states.items() if v.state == "refused")
            gone = [n for n in refused if n not in present]
            for version in gone:
                del self._states[version], self._refused[version]
        if gone:
            self._tell()

    def _promote(self, status: VersionStatus) -> None:
        with self._lock:
            for number, state in self._states.items():
                if state.state == "serving":
                    self._states[number] = state.model_copy(update={"state": "retiring"})
        self._set(status)

    def _refuse(self, version: int, fingerprint: Fingerprint, reason: str) -> None:
        log.error("%s version %d is refused: %s", self._model, version, reason)
        self._refused[version] = fingerprint
        self._set(VersionStatus(version=version, state="refused", reason=reason))
        self._observer.refused(self._model)

    def _set(self, status: VersionStatus) -> None:
        with self._lock:
            self._states[status.version] = status
        self._tell()

    def _tell(self) -> None:
        with self._telling:  # two threads tell; the newer status must be told last
            self._announce(self.status())

    def _serving(self) -> int | None:
        with self._lock:
            return next((n for n, v in self._states.items() if v.state == "serving"), None)

    def _why_not(self, versions: tuple[VersionStatus, ...], *, starting: bool) -> str:
        if starting:
            return "the first version is being loaded"
        if self._trouble:
            return self._trouble
        refused = [f"version {v.version}: {v.reason}" for v in versions if v.state == "refused"]
        if refused:
            return "every version was refused: " + "; ".join(refused)
        return f"{self._store.root} holds no version of {self._model}; publish one with glyph-train"


def _fingerprint(directory: Path) -> Fingerprint:
    files = [path for path in directory.rglob("*") if path.is_file()]
    stats = [(path, path.stat()) for path in files]
    return frozenset((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
