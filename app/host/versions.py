"""Keeps the versions of one model in memory that are wanted, one of them its default.

Loading is a trial; a version that fails is refused with a sentence, and what serves goes on. A new
default is in place before the one before it goes. Nothing here holds on to a model in memory: the
engine does, and it alone.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from app.host.loading import UnfitError
from app.host.policy import Plan, plan
from app.host.refusals import Records, Refusals
from app.host.roster import Roster
from app.host.selection import first_line
from app.status import CanaryStatus, ModelStatus
from model_store import Control, StoreError, VersionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.curve import Curve
    from app.host.lineup import LoadedVersion
    from app.host.loading import Loaded, Loader
    from app.host.probation import Probation, Watching
    from app.host.selection import Way
    from app.share import Share
    from app.status import VersionStatus
    from model_store import Canary, Shadow, Store

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who is told what becomes of versions."""

    def loaded(self, model: str, version: int, seconds: float, curve: Curve) -> None: ...

    def refused(self, model: str) -> None: ...

    def defaulted(self, model: str, version: int | None, *, swap: bool) -> None: ...

    def rolled_back(self, model: str) -> None: ...

    def counted(self, model: str, *, loaded: int, refused: int) -> None: ...


class Engine(Protocol):
    """Where loaded versions go."""

    def serve(
        self, version: LoadedVersion, announce: Callable[[], None], *, default: bool = True
    ) -> None: ...

    def make_default(self, model: str, version: int, announce: Callable[[], None]) -> None: ...

    def retire(self, model: str, version: int) -> None: ...


class ModelVersions:
    """The versions of one model. One thread looks; any may ask for the status."""

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        policy: str,
        loader: Loader,
        engine: Engine,
        tell: Callable[[], None],
        observer: Observer,
        watching: Watching | None = None,
        shadow: Share | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none.

        Args:
            store: Where versions come from.
            name: Of the model.
            policy: Which versions are wanted where the control document does not say.
            loader: Tries them.
            engine: Gets those that pass.
            tell: Called when the status has changed.
            observer: Who counts.
            watching: How a new default is watched, for the one before it to come back; None does
                not.
            shadow: What shadows where the control document names none.
            clock: Monotonic seconds.
        """
        self.name = name
        self._store = store
        self.policy = policy
        self._loader = loader
        self._engine = engine
        self._tell = tell
        self._observer = observer
        self._watching = watching
        self._shadow = shadow
        self._clock = clock
        self._records = Records(store, name)
        self._refusals = Refusals(store, name, self._records)
        self._roster = Roster()
        self._control = Control()
        self._present: set[int] = set()
        self._way: Way | None = None
        self._probation: Probation | None = None
        self._looked = False
        self._trouble: str | None = None
        self._told: ModelStatus | None = None

    def look(self) -> None:
        """Load what is wanted, let go of what is not, and tell what has changed.

        Raises:
            StoreError: If the store cannot be read; what serves goes on serving.
        """
        try:
            self._judge()
            self._read()
            self._fill()
        except StoreError as exc:
            self._trouble = first_line(exc)
            raise
        else:
            self._trouble = None
        finally:
            self._looked = True
            self._tell_news()

    def let_go(self) -> None:
        """Unload everything: the store holds the model no more."""
        self._present, self._probation = set(), None
        self._retire_all()
        self._tell_news()

    def retry(self) -> None:
        """Let what failed for this machine's sake be tried again."""
        self._refusals.forgive()

    def retired(self, version: int) -> None:
        """Note that the engine has let a version go."""
        if self._roster.retired(version):
            self._say()

    @property
    def due(self) -> bool:
        """Whether a new default is being watched, which asks for a look every second."""
        return self._probation is not None

    def status(self) -> ModelStatus:
        """Say what can be had, and if nothing, why."""
        versions, default = self._roster.versions(), self._roster.default
        control, serving = self._control, self._roster.serving()
        starting = not self._looked or any(v.state == "loading" for v in versions)
        ready = default is not None
        return ModelStatus(
            name=self.name,
            ready=ready,
            starting=starting and not ready,
            unloaded=control.unloaded,
            reason=None if ready else self._why_not(versions, starting=starting),
            default=default,
            versions=versions,
            labels={label: n for label, n in control.labels.items() if n in serving},
            pinned=control.pinned,
            policy=control.policy or self.policy,
            canary=self._share(control.canary, serving),
            shadow=self._share(control.shadow or self._shadow, serving),
        )

    def _read(self) -> None:
        present = set(self._store.versions(self.name))
        serving = self._roster.serving()
        if serving and not present:
            away = f"{self._store.location} shows no version of {self.name} any more"
            raise StoreError(f"{away}; what is loaded serves on")
        self._control = self._store.control(self.name)
        self._present = present

    def _plan(self) -> Plan:
        """Plan with what the store holds, and the default version even if its files are gone."""
        reasons = self._refusals.review(self._present, self._control)
        self._roster.refuse(reasons)
        default = self._roster.default
        kept = set() if default is None else {default}
        return plan(self._present | kept, self._control, self.policy, reasons)

    def _fill(self) -> None:
        """Load what is missing, the best first; then give way to it."""
        while True:
            planned = self._plan()
            serving = self._roster.serving()
            missing = [n for n in planned.wanted if n not in serving]
            if not missing:
                break
            self._try(missing[0], planned)
        self._give_way(planned)

    def _try(self, version: int, planned: Plan) -> None:
        started = self._clock()
        self._roster.loading(version)
        self._say()
        stamp = self._refusals.stamp(version)
        try:
            found = self._loader.load(self.name, version, self._way)
        except UnfitError as unfit:
            self._refuse(version, stamp, unfit)
        except VersionNotFoundError:  # removed in the meantime
            self._present.discard(version)
            self._roster.abandoned(version)
        except StoreError:
            self._roster.abandoned(version)
            raise
        else:
            self._serve(found, planned, started)

    def _serve(self, found: Loaded, planned: Plan, started: float) -> None:
        loaded, before = found.version, self._roster.default
        number = loaded.version
        default = planned.default({*self._roster.serving(), number}) == number

        def announce() -> None:
            self._roster.serve(number, found.known, default=default)
            self._say()

        self._engine.serve(loaded, announce, default=default)
        self._way = found.way
        self._observer.loaded(self.name, number, self._clock() - started, loaded.curve)
        _log(found)
        if default:
            self._defaulted(number, before)
        digest = found.known.digest
        if self._control.passed.get(number) != digest or number in self._control.quarantined:
            self._control = self._records.passed(number, digest) or self._control

    def _give_way(self, planned: Plan) -> None:
        """Make the best loaded version the default, and retire what is not wanted."""
        if self._control.unloaded:
            self._retire_all()
            return
        before, best = self._roster.default, planned.default(self._roster.serving())
        if best is not None and best != before:
            self._make_default(best)
            self._defaulted(best, before)
        kept = {*planned.wanted, self._roster.default}
        if self._probation is not None:
            kept.add(self._probation.before)
        for version in sorted(self._roster.serving() - kept):
            self._retire(version)

    def _make_default(self, version: int) -> None:
        def announce() -> None:
            self._roster.make_default(version)
            self._say()

        self._engine.make_default(self.name, version, announce)

    def _defaulted(self, version: int, before: int | None) -> None:
        self._observer.defaulted(self.name, version, swap=before is not None)
        if before is None:
            return
        log.info("%s version %d takes over from version %d", self.name, version, before)
        if self._watching is not None and version > before:
            self._probation = self._watching.begin(self.name, version, before)

    def _judge(self) -> None:
        """End a probation: when it is over, or by going back."""
        probation = self._probation
        if probation is None:
            return
        if self._roster.default != probation.version or probation.over:
            self._probation = None
            return
        reason = probation.look()
        if reason is not None:
            self._go_back(probation, reason)

    def _go_back(self, probation: Probation, reason: str) -> None:
        version, before = probation.version, probation.before
        log.error("%s goes back from version %d to %d: %s", self.name, version, before, reason)
        self._probation = None
        self._make_default(before)
        self._observer.defaulted(self.name, before, swap=True)
        self._observer.rolled_back(self.name)
        digest = self._roster.digest(version)
        self._control = self._refusals.condemn(version, before, digest, reason, self._control)

    def _retire_all(self) -> None:
        for version in sorted(self._roster.serving()):
            self._retire(version)
        self._observer.defaulted(self.name, None, swap=False)

    def _retire(self, version: int) -> None:
        self._roster.retire(version)
        self._say()
        self._engine.retire(self.name, version)

    def _refuse(self, version: int, stamp: str, unfit: UnfitError) -> None:
        log.error("%s version %d is refused: %s", self.name, version, unfit)
        self._control = self._refusals.add(version, stamp, unfit, self._control)
        self._roster.abandoned(version)
        self._observer.refused(self.name)

    def _count(self) -> None:
        versions = self._roster.versions()
        self._observer.counted(
            self.name,
            loaded=sum(v.state in ("serving", "retiring") for v in versions),
            refused=sum(v.state == "refused" for v in versions),
        )

    def _say(self) -> None:
        self._count()  # first: whoever is told may ask for the metrics
        self._told = self.status()
        self._tell()

    def _tell_news(self) -> None:
        if self.status() != self._told:
            self._say()

    def _why_not(self, versions: tuple[VersionStatus, ...], *, starting: bool) -> str:
        if starting:
            return "the first version is being loaded"
        if self._trouble:
            return self._trouble
        if self._control.unloaded:
            return f"{self.name} was unloaded; glyph-models load {self.name} takes it up again"
        refused = [f"version {v.version}: {v.reason}" for v in versions if v.state == "refused"]
        if refused:
            return "every version was refused: " + "; ".join(refused)
        if self._present:
            policy, have = self._control.policy or self.policy, sorted(self._present)
            return f"the version policy is {policy}; {self.name} has {', '.join(map(str, have))}"
        where = self._store.location
        return f"{where} holds no version of {self.name}; publish one with glyph-train"

    def _share(
        self, share: Canary | Shadow | Share | None, serving: set[int]
    ) -> CanaryStatus | None:
        version = self._control.labels.get(share.label) if share else None
        if share is None or version not in serving:
            return None
        return CanaryStatus(
            version=version,
            label=share.label,
            percent=share.percent,
            sticky_header=getattr(share, "sticky_header", None),
        )


def _log(found: Loaded) -> None:
    loaded, curve = found.version, found.version.curve
    log.info(
        "serving %s version %d with %s (%s) in %s; %s per batch: %s",
        loaded.name,
        loaded.version,
        loaded.model.runtime,
        loaded.model.precision,
        f"batches of up to {curve.limit}" if curve.limit > 1 else "no batches: they do not pay",
        "measured" if found.way.version == loaded.version else f"as version {found.way.version}",
        curve,
    )
