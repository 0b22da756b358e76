"""Keeps the desired versions of one model in memory, one of them as its default.

A version is tried in a process of its own before it is loaded; one that fails is refused with a
reason, and the others keep serving. A new default serves before the previous one is retired. Only
the engine holds references to models in memory. One thing, as each step of a poll goes on from the
state that the one before has left.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.host.batching.routing import NO_ROUTES, Routes
from app.host.lifecycle.desired_state import Plan, plan
from app.host.lifecycle.model_status import ModelFacts
from app.host.lifecycle.quarantine import QuarantinedVersions, Records
from app.host.loading.runtime_selection import first_line
from app.host.loading.verdict import UnfitError
from model_store import (
    Control,
    StoreError,
    VersionNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.config.share import Share
    from app.host.batching.cost_model import BatchCostModel
    from app.host.batching.loaded_version import LoadedVersion, RuntimePlan
    from app.host.lifecycle.auto_rollback import MonitoredSwap, RollbackMonitor
    from app.host.lifecycle.crash_journal import HostJournal
    from app.host.lifecycle.intake import Intake
    from app.ipc.status import ModelStatus
    from model_store import Store

log = logging.getLogger(__name__)


class VersionObserver(Protocol):
    """Receives events about versions."""

    def loaded(self, model: str, version: int, seconds: float, costs: BatchCostModel) -> None: ...

    def refused(self, model: str) -> None: ...

    def defaulted(self, model: str, version: int | None, *, swap: bool) -> None: ...

    def rolled_back(self, model: str) -> None: ...

    def counted(self, model: str, *, loaded: int, refused: int) -> None: ...


class Engine(Protocol):
    """Serves loaded versions."""

    @property
    def routes(self) -> Mapping[str, Routes]:
        """The versions in memory, by model; on a change `publish_status` is called."""
        ...

    def serve(self, version: LoadedVersion, *, default: bool = True) -> None: ...

    def make_default(self, model: str, version: int) -> None: ...

    def retire(self, model: str, version: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A version that is being loaded, and the state when that began."""

    version: int
    fingerprint: str
    """Fingerprint of its files."""
    planned: Plan
    """A version that is outdated when it has passed still serves, until a newer one does."""
    started: float


class ModelVersions:
    """The versions of one model. One thread calls `sync`; any may read the status."""

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        policy: str,
        intake: Intake,
        engine: Engine,
        notify: Callable[[], None],
        observer: VersionObserver,
        rollback_monitor: RollbackMonitor | None = None,
        shadow: Share | None = None,
        journal: HostJournal,
        excess: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create without versions.

        Args:
            store: Holds the versions.
            name: Name of the model.
            policy: Version policy, unless the control document has one.
            intake: Loads versions into memory.
            engine: Serves the loaded versions.
            notify: Called when the status has changed.
            observer: Receives events.
            rollback_monitor: Watches new defaults for an automatic rollback; None does not.
            shadow: Shadow, unless the control document has one.
            journal: Crash journal of the previous host and of this one.
            excess: Returns a message if this process uses more memory than it may.
            clock: Monotonic seconds.
        """
        self._excess = excess
        self.name = name
        self._store = store
        self.policy = policy
        self._intake = intake
        self._journal = journal
        self._has_strikes = journal.has_strikes
        self._engine = engine
        self._notify = notify
        self._observer = observer
        self._rollback_monitor = rollback_monitor
        self._shadow = shadow
        self._clock = clock
        self._records = Records(store, name)
        self._quarantine = QuarantinedVersions(store, name, self._records, clock)
        self._refused: dict[int, str] = {}
        """Versions that must not be loaded, and why."""
        self._attempt: _Attempt | None = None
        """A version whose trial is in progress."""
        self.awaited: frozenset[int] = frozenset()
        """Versions that are to serve and do not yet."""
        self._loading: int | None = None
        """The version that is being tried or loaded."""
        self._control = Control()
        self._present: set[int] = set()
        self._runtime_plan: RuntimePlan | None = None
        self._swap: MonitoredSwap | None = None
        self._synced = False
        self._planned = False
        self._trouble: str | None = None
        self.published: ModelStatus | None = None
        """The status that was published last."""
        self._publishing = threading.Lock()

    def sync(self) -> None:
        """Load the wanted versions, retire the others, and publish a changed status.

        Raises:
            StoreError: If the store cannot be read; loaded versions keep serving.
        """
        try:
            self._check_swap()
            self._read()
            self._load_missing()
        except StoreError as exc:
            self._trouble = first_line(exc)
            if self._attempt is None:
                self.awaited = frozenset()
            raise
        else:
            self._trouble = None
        finally:
            self._synced = True
            self._notify_if_changed()

    def unload_all(self) -> None:
        """Retire all versions: the store does not hold the model any more."""
        self._present, self._swap, self._planned = set(), None, True
        self.awaited = frozenset()
        self.close()
        self._retire_all()
        self._notify_if_changed()

    def close(self) -> None:
        """End the trial in progress."""
        self._attempt = self._loading = None
        self._intake.cancel()

    def retry(self) -> None:
        """Retry the versions that failed through this machine."""
        self._quarantine.retry_transient()

    @property
    def due(self) -> bool:
        """Whether a poll is due soon: a new default is monitored, or a retry is due."""
        return self._swap is not None or self._quarantine.next_retry <= self._clock()

    def status(self) -> ModelStatus:
        """Return the status: which versions serve, and if none does, why."""
        return ModelFacts(
            name=self.name,
            store=self._store,
            present=self._present,
            control=self._control,
            policy=self.policy,
            shadow=self._shadow,
            loading=self._loading,
            refused=self._refused,
            awaited=self.awaited,
            synced=self._synced,
            planned=self._planned,
            trouble=self._trouble,
            routes=self._routes,  # read last: a version that serves is not loading any more
        ).status()

    def publish_status(self) -> None:
        """Count the versions, and notify of the status; any thread may."""
        with self._publishing:  # several threads publish; the newest status must be the last
            self.published = published = self.status()
            states = [version.state for version in published.versions]
            self._observer.counted(  # first: the notified thread may read the metrics
                self.name,
                loaded=states.count("serving") + states.count("retiring"),
                refused=states.count("refused"),
            )
        self._notify()

    def _read(self) -> None:
        present = set(self._store.versions(self.name))
        serving = self._routes.serving
        if serving and not present:
            away = f"{self._store.location} shows no version of {self.name} any more"
            raise StoreError(f"{away}; what is loaded serves on")
        self._control = self._store.control(self.name)
        self._present = present

    def _quarantine_crashing_versions(self) -> None:
        """Quarantine versions that ended hosts while they served, if there is another version."""
        for version in sorted(self._present - self._refused.keys()):
            digest = self._quarantine.digest(version)
            reason = self._journal.verdict(digest) if digest else None
            if digest is None or reason is None:
                continue
            if not self._present - self._refused.keys() - {version}:
                log.error("%s version %d: %s; there is no other", self.name, version, reason)
                continue
            log.error("%s version %d is given up: %s", self.name, version, reason)
            self._control = self._quarantine.give_up(version, digest, reason, self._control)
            self._refused = {**self._refused, version: reason}  # other threads may be reading it
            self._journal.forget(digest)
            self._observer.rolled_back(self.name)

    def _plan(self) -> Plan:
        """Return the desired state; it keeps a default version whose files are gone."""
        self._refused = self._quarantine.review(self._present, self._control)
        if self._has_strikes:  # of previous hosts: none are added while this one runs
            self._has_strikes = False
            self._quarantine_crashing_versions()
        default = self._routes.default
        kept = set() if default is None else {default}
        return plan(self._present | kept, self._control, self.policy, self._refused)

    def _load_missing(self) -> None:
        """Load the missing versions, the best first; return early while a trial is in progress."""
        while True:
            planned = self._plan()
            self._end_obsolete_trial(planned)
            missing = self._missing(planned)
            self.awaited = frozenset(missing)
            self._planned = True
            if not missing:
                self._intake.release()
                break
            if not self._advance(missing[0], planned):
                break
        self._choose_default(planned)
        if not missing:
            self._retire_unwanted(planned)

    def _missing(self, planned: Plan) -> list[int]:
        """Return the versions to load, in their order.

        While none serves, one that has passed before goes first, even if a newer one is wanted: no
        version is tried before one serves.
        """
        serving = self._routes.serving
        missing = [n for n in planned.wanted if n not in serving]
        if missing and self._routes.default is None:
            proven = [n for n in missing if self._is_proven(n)] or [
                n for n in sorted(self._present, reverse=True) if self._may_stand_in(n, planned)
            ]
            missing = list(dict.fromkeys([*proven[:1], *missing]))
        return missing

    def _may_stand_in(self, version: int, planned: Plan) -> bool:
        """Return True if an unwanted version may serve until a wanted one has passed."""
        if version in self._routes.serving or version in planned.wanted:
            return False
        return version not in self._refused and self._is_proven(version)

    def _is_proven(self, version: int) -> bool:
        """Return True if a version has served with these files, and no host ended in a load."""
        digest = self._control.passed.get(version)
        if digest is None or self._journal.interruptions(digest):
            return False
        return digest == self._quarantine.digest(version)

    def _advance(self, version: int, planned: Plan) -> bool:
        """Run the next step towards serving a version; return False if its trial is in progress."""
        if self._attempt is None:
            attempt = _Attempt(
                version, self._quarantine.fingerprint(version), planned, self._clock()
            )
        else:
            attempt = self._attempt
        try:
            found = self._load(attempt)
        except UnfitError as unfit:
            self._attempt = None
            self._refuse(attempt, unfit)
        except VersionNotFoundError:  # removed in the meantime
            self._attempt = None
            self._present.discard(version)
            self._loading = None
        except StoreError:
            self._loading = None
            raise
        else:
            if found is None:
                return False
            self._attempt = None
            self._serve(found, attempt)
        return True

    def _load(self, attempt: _Attempt) -> LoadedVersion | None:
        """Load a version: without a trial if it has served before and none serves now."""
        version = attempt.version
        if self._attempt is None:
            digest = self._quarantine.digest(version)
            if self._routes.default is None and digest and self._is_proven(version):
                self._note_loading(version)
                return self._intake.load_proven(version, digest)
            if not self._intake.begin(version, digest, self._runtime_plan):
                return None
            self._attempt = attempt
            self._note_loading(version)
        found = self._intake.conclude()
        if found is not None and self._routes.default is not None and (why := self._excess()):
            reason = f"there is no room for it beside what serves: {why}"
            raise UnfitError(reason, lasting=False, transient=True)
        return found

    def _note_loading(self, version: int) -> None:
        self._loading = version
        self.publish_status()

    def _end_obsolete_trial(self, planned: Plan) -> None:
        """End a trial whose version is not to be loaded any more, whatever its verdict.

        One that is only outdated by a newer version continues: if versions were published faster
        than they are tried, none would ever serve.
        """
        version, pinned = self._intake.trying, self._control.pinned
        if version is None:
            return
        is_outvoted = pinned in planned.candidates and pinned != version
        if (
            version not in self._present
            or version in self._refused
            or self._control.unloaded
            or (is_outvoted and version not in planned.wanted)
        ):
            self.close()

    def _serve(self, found: LoadedVersion, attempt: _Attempt) -> None:
        planned = attempt.planned
        number, before = found.version, self._routes.default
        is_stand_in = before is None and number not in planned.wanted
        default = is_stand_in or planned.default({*self._routes.serving, number}) == number
        self._engine.serve(found, default=default)
        self._loading = None
        self._runtime_plan = found.runtime_plan
        digest, costs = found.description.digest, found.runtime_plan.costs
        self._quarantine.passed(number)
        self._journal.loaded(digest)
        self._observer.loaded(self.name, number, self._clock() - attempt.started, costs)
        _log(found)
        if default:
            self._defaulted(number, before)
        if self._control.passed.get(number) != digest or number in self._control.quarantined:
            self._control = self._records.passed(number, digest) or self._control

    def _choose_default(self, planned: Plan) -> None:
        """Make the best loaded version the default."""
        before, best = self._routes.default, planned.default(self._routes.serving)
        if best is not None and best != before:
            self._engine.make_default(self.name, best)
            self._defaulted(best, before)

    def _retire_unwanted(self, planned: Plan) -> None:
        """Retire the versions that are not wanted."""
        if self._control.unloaded:
            self._retire_all()
            return
        kept = {*planned.wanted, self._routes.default}
        if self._swap is not None:
            kept.add(self._swap.before)
        for version in sorted(self._routes.serving.keys() - kept):
            self._engine.retire(self.name, version)

    def _defaulted(self, version: int, before: int | None) -> None:
        self._observer.defaulted(self.name, version, swap=before is not None)
        if before is None:
            return
        log.info("%s version %d takes over from version %d", self.name, version, before)
        if self._rollback_monitor is not None and version > before:
            self._swap = self._rollback_monitor.begin(self.name, version, before)

    def _check_swap(self) -> None:
        """End the monitoring of a swap when it is over, or with a rollback."""
        swap = self._swap
        if swap is None:
            return
        if self._routes.default != swap.version or swap.over:
            self._swap = None
            return
        reason = swap.check()
        if reason is not None:
            self._roll_back(swap, reason)

    def _roll_back(self, swap: MonitoredSwap, reason: str) -> None:
        version, before = swap.version, swap.before
        log.error("rolling back %s from version %d to %d: %s", self.name, version, before, reason)
        self._swap = None
        bad = self._routes.loaded(version)
        self._engine.make_default(self.name, before)
        self._observer.defaulted(self.name, before, swap=True)
        self._observer.rolled_back(self.name)
        digest = bad.description.digest if bad is not None else None
        self._control = self._quarantine.mark_bad(version, before, digest, reason, self._control)

    def _retire_all(self) -> None:
        for version in sorted(self._routes.serving):
            self._engine.retire(self.name, version)
        self._observer.defaulted(self.name, None, swap=False)

    def _refuse(self, attempt: _Attempt, unfit: UnfitError) -> None:
        version = attempt.version
        log.error("%s version %d is refused: %s", self.name, version, unfit)
        self._control = self._quarantine.add(version, attempt.fingerprint, unfit, self._control)
        self._loading = None
        self._observer.refused(self.name)

    def _notify_if_changed(self) -> None:
        if self.status() != self.published:
            self.publish_status()

    @property
    def _routes(self) -> Routes:
        return self._engine.routes.get(self.name, NO_ROUTES)


def _log(loaded: LoadedVersion) -> None:
    costs, measured = loaded.runtime_plan.costs, loaded.runtime_plan.version
    log.info(
        "serving %s version %d with %s (%s) in %s; %s per batch: %s",
        loaded.name,
        loaded.version,
        loaded.model.runtime,
        loaded.model.precision,
        f"batches of up to {costs.limit}" if costs.limit > 1 else "no batches: they do not pay",
        "measured" if measured == loaded.version else f"as version {measured}",
        costs,
    )
