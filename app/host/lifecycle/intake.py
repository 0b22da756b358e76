"""Fetches, tries and loads the versions of one model, one at a time.

Mechanism only; the reconciler decides which version is next, and what happens to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.host.lifecycle.crash_journal import LOADS
from app.host.loading.verdict import Failed, UnfitError
from model_store import CorruptVersionError, InvalidDocumentError

if TYPE_CHECKING:
    from pathlib import Path

    from app.host.batching.loaded_version import LoadedVersion, RuntimePlan
    from app.host.lifecycle.crash_journal import HostJournal
    from app.host.loading.loader import Loader
    from app.host.loading.trial_process import Trial
    from app.host.loading.verdict import Passed
    from model_store import Store


class Trials(Protocol):
    """Runs the trials of all models, one at a time."""

    def is_next(self, model: str) -> bool: ...

    def start(
        self,
        model: str,
        directory: Path,
        version: int,
        digest: str | None,
        like: RuntimePlan | None,
    ) -> Trial: ...

    def end(self, model: str) -> None: ...


class Intake:
    """Loads the versions of one model, after a trial."""

    def __init__(
        self,
        store: Store,
        model: str,
        *,
        loader: Loader,
        trials: Trials,
        journal: HostJournal,
    ) -> None:
        """Create without a trial.

        Args:
            store: Holds the versions.
            model: Name of the model.
            loader: Loads versions into this process.
            trials: Runs a trial first, in a process of its own.
            journal: Records which version is being loaded, in case this process crashes.
        """
        self._store = store
        self._model = model
        self._loader = loader
        self._trials = trials
        self._journal = journal
        self._trial: Trial | None = None
        self._directory: Path | None = None

    @property
    def trying(self) -> int | None:
        """The version whose trial is in progress."""
        return None if self._trial is None else self._trial.version

    def begin(self, version: int, digest: str | None, like: RuntimePlan | None) -> bool:
        """Start the trial of a version; return False while another model's is in progress.

        Args:
            version: Its number.
            digest: Digest of its manifest; None if it cannot be read.
            like: Runtime plan of another version, reused if this one is alike.

        Raises:
            UnfitError: If the trial cannot be started.
            StoreError: If the store cannot be read.
        """
        if not self._trials.is_next(self._model):
            return False
        directory = self._fetch(version)
        try:
            trial = self._trials.start(self._model, directory, version, digest, like)
        except OSError as exc:
            reason = f"its trial could not be started: {exc}"
            raise UnfitError(reason, lasting=False, transient=True) from exc
        self._trial, self._directory = trial, directory
        return True

    def conclude(self) -> LoadedVersion | None:
        """Load the version that has passed its trial; return None while it is in progress.

        Raises:
            UnfitError: If it has not passed, or cannot be loaded after all.
        """
        if self._trial is None or self._directory is None:
            return None
        version, directory, verdict = self._trial.version, self._directory, self._trial.verdict()
        if verdict is None:
            return None
        self.release()
        if isinstance(verdict, Failed):
            raise verdict.error()
        return self._load(directory, version, verdict)

    def load_proven(self, version: int, digest: str) -> LoadedVersion:
        """Load a version that has served before, without a trial.

        Raises:
            UnfitError: If it cannot be loaded.
            StoreError: If the store cannot be read.
        """
        directory = self._fetch(version)
        with self._journal.loading(digest):
            return self._loader.examine(directory, self._model, version)

    def cancel(self) -> None:
        """End the trial in progress, without a verdict."""
        if self._trial is not None:
            self._trial.cancel()
        self.release()

    def release(self) -> None:
        """Let other models run their trials."""
        self._trial = self._directory = None
        self._trials.end(self._model)

    def _load(self, directory: Path, version: int, passed: Passed) -> LoadedVersion:
        """Load a version that passed its trial, unless its files have changed since."""
        digest = passed.digest
        ended = self._journal.interruptions(digest)
        if ended >= LOADS:
            self._journal.loaded(digest)  # the next retry counts anew
            reason = f"{ended} model hosts ended while they loaded it, though it passed its trial"
            raise UnfitError(reason, digest=digest, lasting=False, transient=True)
        with self._journal.loading(digest):
            found = self._loader.load(directory, self._model, version, passed.runtime_plan)
        if found.description.digest != digest:
            raise UnfitError("its files changed while it was tried", lasting=False)
        return found

    def _fetch(self, version: int) -> Path:
        try:
            return self._store.fetch(self._model, version)
        except (CorruptVersionError, InvalidDocumentError) as exc:
            raise UnfitError(str(exc)) from exc
