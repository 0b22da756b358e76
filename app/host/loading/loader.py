"""Loads a version and checks its files, its metadata and its golden images.

Mechanism only: it gets a directory and runtimes; which version is loaded is decided elsewhere.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from app.host.batching.loaded_version import LoadedVersion
from app.host.loading.golden_check import TrialFailedError
from app.host.loading.runtime_selection import Selection, first_line
from app.host.loading.verdict import UnfitError
from app.ipc.status import LoadedModel
from imaging.preparation import Preparation, usual
from model_store import (
    CorruptVersionError,
    Golden,
    InvalidDocumentError,
    Manifest,
    Metadata,
    SignatureError,
)
from model_store.base.files import UnfitFileError
from model_store.base.json_documents import read_document
from model_store.version.metadata import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from app.host.batching.loaded_version import RuntimePlan
    from app.host.runtimes.base import Model
    from app.host.runtimes.candidates import Candidate

log = logging.getLogger(__name__)

_BATCH_BYTES = 32 * 2**20
"""Bytes of pixels per batch: a graph creates several arrays of four bytes per pixel."""


class Loader:
    """Loads versions of any model from directories that hold them."""

    def __init__(
        self,
        candidates: Callable[[], Iterable[Candidate]],
        *,
        max_batch: int,
        check_signature: Callable[[Path], object] = lambda _version: None,
        misfit: Callable[[Metadata], str | None] = lambda _metadata: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check_signature = check_signature
        self._misfit = misfit
        self._candidates = candidates
        self._max_batch = max_batch
        self._clock = clock

    def examine(
        self, directory: Path, model: str, version: int, like: RuntimePlan | None = None
    ) -> LoadedVersion:
        """Load an unknown version: check it, measure it and select its runtime.

        Args:
            directory: Directory of the version.
            model: Name of the model.
            version: Number of the version.
            like: Runtime plan of another version, reused unmeasured if this one is alike.

        Raises:
            UnfitError: If it must not be served.
        """
        return self._load(directory, model, version, lambda s: s.select(self._candidates(), like))

    def load(
        self, directory: Path, model: str, version: int, runtime_plan: RuntimePlan
    ) -> LoadedVersion:
        """Load a version by the runtime plan of its trial.

        Raises:
            UnfitError: If it cannot be loaded in this process.
        """
        return self._load(
            directory, model, version, lambda s: s.follow(runtime_plan, self._candidates())
        )

    def _load(
        self,
        directory: Path,
        model: str,
        version: int,
        choose: Callable[[Selection], tuple[Model, RuntimePlan]],
    ) -> LoadedVersion:
        try:
            manifest = Manifest.read(directory)
            manifest.verify(directory)
        except (CorruptVersionError, InvalidDocumentError) as exc:
            raise UnfitError(str(exc), lasting=not _is_unreadable(exc)) from exc
        digest = manifest.digest
        try:
            self._check_signature(directory)
            return self._examine(directory, manifest, model, version, choose)
        except SignatureError as exc:  # may be signed later, or by a key trusted elsewhere
            raise UnfitError(str(exc), digest=digest, lasting=False) from exc
        except TrialFailedError as exc:
            raise UnfitError(
                str(exc),
                digest=digest,
                lasting=exc.lasting,
                transient=exc.transient,
                out_of_memory=exc.out_of_memory,
            ) from exc
        except InvalidDocumentError as exc:
            raise UnfitError(str(exc), digest=digest, lasting=not _is_unreadable(exc)) from exc
        except MemoryError as exc:
            reason = f"this machine has too little memory for it: {first_line(exc)}"
            raise UnfitError(
                reason, digest=digest, lasting=False, transient=True, out_of_memory=True
            ) from exc
        except Exception as exc:  # a bug, or a fault of this machine
            log.debug("%s version %d", model, version, exc_info=True)
            reason = f"{type(exc).__name__}: {exc}"
            raise UnfitError(reason, digest=digest, lasting=False) from exc

    def _examine(
        self,
        directory: Path,
        manifest: Manifest,
        model: str,
        version: int,
        choose: Callable[[Selection], tuple[Model, RuntimePlan]],
    ) -> LoadedVersion:
        metadata = read_document(directory / METADATA, Metadata)
        golden = Golden.read(directory)
        _check(metadata, golden, model, version)
        if misfit := self._misfit(metadata):  # by this service's settings; another one may serve it
            raise TrialFailedError(misfit, lasting=False)
        fitting = max(1, _BATCH_BYTES // math.prod(metadata.input.shape))
        max_batch = min(self._max_batch, fitting)
        selection = Selection(directory, golden, metadata, max_batch=max_batch, clock=self._clock)
        runnable, runtime_plan = choose(selection)
        return LoadedVersion(
            name=model,
            version=version,
            model=runnable,
            runtime_plan=runtime_plan,
            description=_describe(manifest, metadata, runnable, runtime_plan),
            example=golden.images[0].tobytes(),
        )


def _is_unreadable(exc: Exception) -> bool:
    """Return True if this machine failed to read a file that is there."""
    cause = exc.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, (FileNotFoundError, UnfitFileError))


def _check(metadata: Metadata, golden: Golden, model: str, version: int) -> None:
    if (metadata.model, metadata.version) != (model, version):
        itself = f"version {metadata.version} of {metadata.model}"
        raise TrialFailedError(f"its metadata.json says that it is {itself}")
    if golden.images.shape[1:] != metadata.input.shape:
        shapes = f"{golden.images.shape[1:]}; its metadata.json says {metadata.input.shape}"
        raise TrialFailedError(f"its golden images have shape {shapes}")


def _describe(
    manifest: Manifest, metadata: Metadata, model: Model, runtime_plan: RuntimePlan
) -> LoadedModel:
    costs, measured = runtime_plan.costs, runtime_plan.version
    return LoadedModel(
        runtime=model.runtime,
        precision=model.precision,
        passed_over=runtime_plan.passed_over,
        batch_limit=costs.limit,
        batch_seconds={str(size): s for size, s in costs.seconds.items()},
        measured_with=measured if measured != metadata.version else None,
        digest=manifest.digest,
        accuracy=metadata.metrics.accuracy,
        classes=metadata.classes,
        input_shape=metadata.input.shape,
        preparation=_preparation(metadata),
    )


def _preparation(metadata: Metadata) -> Preparation:
    spec, channels = metadata.preparation, metadata.input.shape[2]
    return usual(channels) if spec is None else Preparation(**dict(spec))
