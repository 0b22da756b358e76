"""Which versions of a model must not be loaded, and why; remembered in the store over restarts."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.host.lifecycle.desired_state import GLYPH_SERVE, applies_to
from model_store import Quarantine, StoreError
from model_store.operations.evaluation import digest_of
from model_store.operations.operations import STABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.loading.verdict import UnfitError
    from model_store import Control, Store

log = logging.getLogger(__name__)

_RETRY_S = (5.0, 600.0)
"""What failed for this machine's sake is tried again after the first of these, then after twice as
long each time, up to the second."""


class Records:
    """Writes what this host found out into the control document of a model.

    A store that cannot be written is told of once, and is no obstacle.
    """

    def __init__(
        self, store: Store, model: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._model = model
        self._now = now
        self._writable = True

    def quarantine(self, version: int, digest: str | None, reason: str) -> Control | None:
        """Record that a version failed; gives the document after it, or None."""
        entry = Quarantine(digest=digest, reason=reason, at=self._now(), by=GLYPH_SERVE)

        def edit(control: Control) -> Control:
            entries = control.quarantined | {version: entry}
            return control.model_copy(update={"quarantined": entries})

        return self._write("quarantine", edit, version, reason)

    def passed(self, version: int, digest: str) -> Control | None:
        """Record that a version passed its trial; what was held against its files is void."""

        def edit(control: Control) -> Control:
            entries = dict(control.quarantined)
            if version in entries and not applies_to(entries[version], digest):
                del entries[version]
            update = {"passed": control.passed | {version: digest}, "quarantined": entries}
            return control.model_copy(update=update)

        return self._write("pass", edit, version)

    def rolled_back(
        self, version: int, before: int, digest: str | None, reason: str
    ) -> Control | None:
        """Record that a version was given up for the one before it, which is pinned."""
        entry = Quarantine(digest=digest, reason=reason, at=self._now(), by=GLYPH_SERVE)

        def edit(control: Control) -> Control:
            update = {
                "pinned": before,
                "labels": control.labels | {STABLE: before},
                "quarantined": control.quarantined | {version: entry},
            }
            return control.model_copy(update=update)

        return self._write("rollback", edit, before, f"version {version}: {reason}")

    def _write(
        self,
        action: str,
        edit: Callable[[Control], Control],
        version: int,
        reason: str | None = None,
    ) -> Control | None:
        try:
            change = self._store.change(
                self._model, action, edit, by=GLYPH_SERVE, version=version, reason=reason
            )
        except StoreError as exc:
            if self._writable:
                log.warning(
                    "trials of %s are remembered until this host ends: %s", self._model, exc
                )
            self._writable = False
            return None
        self._writable = True
        return change.control


@dataclass(slots=True)
class _FailedVersion:
    """A version that failed in this host's life."""

    fingerprint: str
    """Of its files when it was tried."""
    seen: str
    """Of its files at the last look."""
    reason: str
    recorded: bool
    """It is in the store as well, until somebody releases it."""
    failed_while_serving: bool = False
    """It failed while it served: its files are not looked at again."""
    retry_at: float = math.inf
    """Clock reading at which it is tried again, though nothing has changed."""


class QuarantinedVersions:
    """The versions of a model that failed or were quarantined."""

    def __init__(
        self,
        store: Store,
        model: str,
        records: Records,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._model = model
        self._records = records
        self._clock = clock
        self._retries: dict[int, int] = {}
        """How often a version has failed in a row for this machine's sake."""
        self._failed: dict[int, _FailedVersion] = {}
        self._digests: dict[int, tuple[str, str | None]] = {}
        """Quarantined version -> the fingerprint of its files when it was read, and the digest."""

    def review(self, present: set[int], control: Control) -> dict[int, str]:
        """Give the versions that must not be loaded, with their reasons.

        One that failed here is forgiven when its files have changed and settled, or when it was
        released in the store; for a while, where it failed for what this machine lacks.

        Raises:
            StoreError: If the store cannot be read.
        """
        for version in [n for n in self._failed if n not in present]:
            del self._failed[version]
            self._retries.pop(version, None)
        for version, refusal in list(self._failed.items()):
            released = refusal.recorded and version not in control.quarantined
            again = self._clock() >= refusal.retry_at
            if released or again or self._is_changed(version, refusal):
                del self._failed[version]
        reasons = {n: refusal.reason for n, refusal in self._failed.items()}
        for version in sorted((control.quarantined.keys() & present) - reasons.keys()):
            entry = control.quarantined[version]
            if applies_to(entry, self.digest(version)):
                who = "" if entry.by == GLYPH_SERVE else f"quarantined by {entry.by}: "
                reasons[version] = who + entry.reason
        return reasons

    def fingerprint(self, version: int) -> str:
        """Take down the state of a version's files, before it is tried."""
        return self._store.fingerprint(self._model, version)

    def add(self, version: int, fingerprint: str, unfit: UnfitError, control: Control) -> Control:
        """Remember that a version failed; return the control document after it.

        What this machine lacks is not written into the store; nor is any verdict on what has
        passed elsewhere, which it may be the fault of this machine as well.
        """
        known = control.quarantined.get(version)
        recorded = known is not None and known.by == GLYPH_SERVE and known.digest == unfit.digest
        has_passed = unfit.digest is not None and unfit.digest in control.passed.values()
        if unfit.lasting and not recorded and not has_passed:
            after = self._records.quarantine(version, unfit.digest, str(unfit))
            recorded, control = after is not None, after or control
        retry_at = self._next_retry(version) if unfit.transient else math.inf
        self._failed[version] = _FailedVersion(
            fingerprint, fingerprint, str(unfit), recorded, retry_at=retry_at
        )
        return control

    def _next_retry(self, version: int) -> float:
        first, most = _RETRY_S
        before = self._retries.get(version, 0)
        self._retries[version] = before + 1
        return self._clock() + min(most, first * 2.0**before)

    @property
    def next_retry(self) -> float:
        """Clock reading at which the next version is tried again; infinity if none is."""
        return min((refusal.retry_at for refusal in self._failed.values()), default=math.inf)

    def passed(self, version: int) -> None:
        """Note that a version serves: should it fail later, the first retry comes soon."""
        self._retries.pop(version, None)

    def give_up(self, version: int, digest: str, reason: str, control: Control) -> Control:
        """Quarantine a version that passed and then ended hosts; return the document after it."""
        after = self._records.quarantine(version, digest, reason)
        self._failed[version] = _FailedVersion(
            "", "", reason, recorded=after is not None, failed_while_serving=True
        )
        return after or control

    def mark_bad(
        self, version: int, before: int, digest: str | None, reason: str, control: Control
    ) -> Control:
        """Remember that a version that served was given up for the one before it."""
        after = self._records.rolled_back(version, before, digest, reason)
        self._failed[version] = _FailedVersion(
            "", "", reason, recorded=after is not None, failed_while_serving=True
        )
        return after or control

    def retry_transient(self) -> None:
        """Forget what failed here and is not in the store: it may be tried again."""
        self._failed = {n: refusal for n, refusal in self._failed.items() if refusal.recorded}

    def _is_changed(self, version: int, refusal: _FailedVersion) -> bool:
        """Say whether a version's files are others than those tried, and are not being copied."""
        if refusal.failed_while_serving:
            return False
        before, refusal.seen = refusal.seen, self.fingerprint(version)
        return before == refusal.seen != refusal.fingerprint

    def digest(self, version: int) -> str | None:
        """Return the digest of a version's manifest; None where it cannot be read."""
        fingerprint = self.fingerprint(version)
        known = self._digests.get(version)
        if known is None or known[0] != fingerprint:
            known = self._digests[version] = (
                fingerprint,
                digest_of(self._store, self._model, version),
            )
        return known[1]
