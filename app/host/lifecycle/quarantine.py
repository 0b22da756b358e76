"""Versions of a model that must not be loaded, and why; kept in the store over restarts."""

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
"""First and longest delay of a retry after a failure of this machine; it doubles each time."""


class Records:
    """Writes the results of this host into the control document of a model.

    A store that cannot be written is logged once, and otherwise ignored.
    """

    def __init__(
        self, store: Store, model: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._model = model
        self._now = now
        self._writable = True

    def quarantine(self, version: int, digest: str | None, reason: str) -> Control | None:
        """Record that a version failed; return the new document, or None if it was not written."""
        entry = Quarantine(digest=digest, reason=reason, at=self._now(), by=GLYPH_SERVE)

        def edit(control: Control) -> Control:
            entries = control.quarantined | {version: entry}
            return control.model_copy(update={"quarantined": entries})

        return self._write("quarantine", edit, version, reason)

    def passed(self, version: int, digest: str) -> Control | None:
        """Record that a version passed its trial; delete entries that do not apply to its files."""

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
        """Record a rollback to the version before, which is pinned."""
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
    """A version that failed since this host started."""

    fingerprint: str
    """Fingerprint of its files when it was tried."""
    seen: str
    """Fingerprint of its files at the last poll."""
    reason: str
    recorded: bool
    """Recorded in the store as well, until an operator releases it."""
    failed_while_serving: bool = False
    """A change of its files does not make it eligible again."""
    retry_at: float = math.inf
    """Clock reading at which it is tried again, even if nothing has changed."""


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
        """How often in a row a version has failed through this machine."""
        self._failed: dict[int, _FailedVersion] = {}
        self._digests: dict[int, tuple[str, str | None]] = {}
        """By version: the fingerprint of its files when the digest was read, and the digest."""

    def review(self, present: set[int], control: Control) -> dict[int, str]:
        """Return the versions that must not be loaded, with their reasons.

        One that failed here becomes eligible again when its files have changed and settled, when
        it was released in the store, or, after a failure of this machine, when its retry is due.

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
        """Return the fingerprint of a version's files, before it is tried."""
        return self._store.fingerprint(self._model, version)

    def add(self, version: int, fingerprint: str, unfit: UnfitError, control: Control) -> Control:
        """Record that a version failed; return the control document after it.

        A shortage of this machine is not written into the store, nor is a verdict on files that
        have passed elsewhere: that, too, may be the fault of this machine.
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
        """Clock reading of the next retry; infinity if there is none."""
        return min((refusal.retry_at for refusal in self._failed.values()), default=math.inf)

    def passed(self, version: int) -> None:
        """Reset the retry delay of a version that serves."""
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
        """Quarantine a default version after a rollback to the one before; return the document."""
        after = self._records.rolled_back(version, before, digest, reason)
        self._failed[version] = _FailedVersion(
            "", "", reason, recorded=after is not None, failed_while_serving=True
        )
        return after or control

    def retry_transient(self) -> None:
        """Retry the versions whose failure is not recorded in the store."""
        self._failed = {n: refusal for n, refusal in self._failed.items() if refusal.recorded}

    def _is_changed(self, version: int, refusal: _FailedVersion) -> bool:
        """Return True if a version's files have changed since its trial and have settled."""
        if refusal.failed_while_serving:
            return False
        before, refusal.seen = refusal.seen, self.fingerprint(version)
        return before == refusal.seen != refusal.fingerprint

    def digest(self, version: int) -> str | None:
        """Return the digest of a version's manifest; None if it cannot be read."""
        fingerprint = self.fingerprint(version)
        known = self._digests.get(version)
        if known is None or known[0] != fingerprint:
            known = self._digests[version] = (
                fingerprint,
                digest_of(self._store, self._model, version),
            )
        return known[1]
