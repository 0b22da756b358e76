"""Loads a version as a trial: its files, what it says of itself, and its golden images.

Knows a store and runtimes; which version is tried, and what becomes of it, is decided elsewhere.
"""

from __future__ import annotations

import base64
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.host.lineup import LoadedVersion
from app.host.selection import Selection
from app.host.trial import TrialFailedError
from app.status import LoadedModel
from model_store import (
    CorruptVersionError,
    Golden,
    InvalidDocumentError,
    Manifest,
    Metadata,
    SignatureError,
)
from model_store.documents import read_document
from model_store.store import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from app.host.runtimes.choice import Candidate
    from app.host.selection import Selected, Way
    from model_store import Store

log = logging.getLogger(__name__)


class UnfitError(Exception):
    """Raised when a version is not to be served; the text is a sentence that says why."""

    def __init__(self, reason: str, *, digest: str | None = None, lasting: bool = True) -> None:
        super().__init__(reason)
        self.digest = digest
        """Of the manifest; None where the files are not those it lists, whatever it says."""
        self.lasting = lasting
        """It is the version's fault, on every machine."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that passed."""

    version: LoadedVersion
    known: LoadedModel
    way: Way
    golden: Golden


class Loader:
    """Tries versions of any model of a store."""

    def __init__(
        self,
        store: Store,
        candidates: Callable[[], Iterable[Candidate]],
        *,
        max_batch: int,
        check_signature: Callable[[Path], object] = lambda _version: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._check_signature = check_signature
        self._candidates = candidates
        self._max_batch = max_batch
        self._clock = clock

    def load(self, model: str, version: int, like: Way | None = None) -> Loaded:
        """Try a version.

        Args:
            model: Its model.
            version: Its number.
            like: How another version runs; one of the same size runs likewise, unmeasured.

        Raises:
            UnfitError: If it is not to be served.
            StoreError: If the store cannot be read, which is not the version's fault.
        """
        try:
            directory = self._store.fetch(model, version)
            manifest = Manifest.read(directory)
            manifest.verify(directory)
        except (CorruptVersionError, InvalidDocumentError) as exc:
            raise UnfitError(str(exc)) from exc
        try:
            self._check_signature(directory)
            return self._examine(directory, manifest, model, version, like)
        except SignatureError as exc:  # it may be signed later, or with a key trusted elsewhere
            raise UnfitError(str(exc), digest=manifest.digest, lasting=False) from exc
        except TrialFailedError as exc:
            raise UnfitError(str(exc), digest=manifest.digest, lasting=exc.lasting) from exc
        except InvalidDocumentError as exc:
            raise UnfitError(str(exc), digest=manifest.digest) from exc
        except Exception as exc:  # a bug, or this machine; the version may be good elsewhere
            log.debug("%s version %d", model, version, exc_info=True)
            raise UnfitError(f"{type(exc).__name__}: {exc}", lasting=False) from exc

    def _examine(
        self, directory: Path, manifest: Manifest, model: str, version: int, like: Way | None
    ) -> Loaded:
        metadata = read_document(directory / METADATA, Metadata)
        golden = Golden.read(directory)
        _check(metadata, golden, model, version)
        selection = Selection(
            directory, golden, metadata, max_batch=self._max_batch, clock=self._clock
        )
        found = selection.select(self._candidates(), like)
        loaded = LoadedVersion(
            name=model,
            version=version,
            model=found.model,
            curve=found.way.curve,
            classes=metadata.classes,
            input_shape=metadata.input.shape,
        )
        return Loaded(loaded, _describe(manifest, metadata, golden, found), found.way, golden)


def _check(metadata: Metadata, golden: Golden, model: str, version: int) -> None:
    if (metadata.model, metadata.version) != (model, version):
        itself = f"version {metadata.version} of {metadata.model}"
        raise TrialFailedError(f"its metadata.json says that it is {itself}")
    if golden.images.shape[1:] != metadata.input.shape:
        shapes = f"{golden.images.shape[1:]}; its metadata.json says {metadata.input.shape}"
        raise TrialFailedError(f"its golden images have shape {shapes}")


def _describe(
    manifest: Manifest, metadata: Metadata, golden: Golden, found: Selected
) -> LoadedModel:
    curve = found.way.curve
    return LoadedModel(
        runtime=found.model.runtime,
        precision=found.model.precision,
        passed_over=found.way.passed_over,
        batch_limit=curve.limit,
        batch_seconds={str(size): s for size, s in curve.seconds.items()},
        measured_with=found.way.version if found.way.version != metadata.version else None,
        digest=manifest.digest,
        accuracy=metadata.metrics.accuracy,
        classes=metadata.classes,
        input_shape=metadata.input.shape,
        example=base64.b64encode(golden.images[0].tobytes()).decode(),
    )
