"""What stands around the versions of a model in tests: who counts, who computes, and a store."""

from __future__ import annotations

from app.host.batching.routing import RoutingTable
from app.host.lifecycle.crash_journal import HostJournal
from app.host.lifecycle.intake import Intake
from app.host.loading.verdict import Failed, Passed, UnfitError
from model_store import ModelStore, StoreError


class FakeObserver:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.loads: list[tuple] = []
        self.defaults: list[tuple[str, int | None]] = []
        self.swaps = 0
        self.rollbacks: list[str] = []
        self.counts: dict[str, tuple[int, int]] = {}
        self.up: list[bool] = []
        self.polls = 0

    def loaded(self, model, version, seconds, costs):
        self.loads.append(("served", model, version, seconds, costs.limit))

    def refused(self, model):
        self.loads.append(("refused", model))

    def defaulted(self, model, version, *, swap):
        self.defaults.append((model, version))
        self.swaps += swap

    def rolled_back(self, model):
        self.rollbacks.append(model)

    def counted(self, model, *, loaded, refused):
        self.counts[model] = (loaded, refused)

    def store(self, *, up):
        self.up.append(up)

    def polled(self):
        self.polls += 1


class FakeEngine:
    """Routes as the real one does, and keeps what retires until told that its last answer is gone.

    Whoever makes the versions sets `on_routed`, which is called at every change.
    """

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self._table = RoutingTable()
        self.routes = self._table.routes
        self.on_routed = lambda _model: None

    @property
    def versions(self) -> dict[tuple[str, int], object]:
        return {
            (model, number): version
            for model, routes in self.routes.items()
            for number, version in [*routes.retiring.items(), *routes.serving.items()]
        }

    @property
    def defaults(self) -> dict[str, int]:
        return {m: r.default for m, r in self.routes.items() if r.default is not None}

    @property
    def retiring(self) -> list[tuple[str, int]]:
        return [(model, number) for model, r in self.routes.items() for number in r.retiring]

    def serve(self, version, *, default=True):
        self._table.add(version, default=default)
        self.on_routed(version.name)
        if default:
            self.story.append(f"jobs to {version.version}")

    def make_default(self, model, version):
        self._table.make_default(model, version)
        self.on_routed(model)
        self.story.append(f"jobs to {version}")

    def retire(self, model, version):
        self._table.retire(model, version)
        self.on_routed(model)

    def drop_idle(self) -> None:
        """Drop what retires."""
        for model, _, background in self._table.drop_idle(lambda _key: True):
            if not background:
                self.on_routed(model)


class FlakyStore(ModelStore):
    """A store whose disk goes away and comes back, or that cannot be written."""

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store.root)
        self.problem: Exception | None = None
        self.writable = True
        self.polls = 0
        self.on_poll = lambda: None

    def versions(self, model):
        self.polls += 1
        self.on_poll()
        if self.problem is not None:
            raise self.problem
        return super().versions(model)

    def change(self, *args, **keys):
        if not self.writable:
            raise StoreError("cannot change the control document: Read-only file system")
        return super().change(*args, **keys)


def make_journal(store, clock) -> HostJournal:
    """Read the journal of the next host that serves a store."""
    run_dir = store.root.parent / "run"
    run_dir.mkdir(exist_ok=True)
    return HostJournal(run_dir, clock)


def make_intake(store, model, trials, journal) -> Intake:
    """Let versions come into memory as the fake trials found them."""
    return Intake(store, model, loader=trials, trials=trials, journal=journal)


class FakeTrial:
    """A trial whose verdict is there, unless it is held back."""

    def __init__(self, version, judge) -> None:
        self.version = version
        self.judge = judge
        self.held = False
        self.cancelled = False

    def verdict(self):
        return None if self.held else self.judge()

    def cancel(self):
        self.cancelled = True


class FakeTrials:
    """Tries versions in this process, and loads those that passed as they were tried."""

    def __init__(self, loader) -> None:
        self.loader = loader
        self.begun: list[FakeTrial] = []
        self.ended: list[str] = []
        self.held: set[int] = set()
        """Versions whose trials do not end."""
        self.verdicts: dict[int, Failed] = {}
        """What is said of versions in place of trying them."""
        self.busy = False
        self._found: dict[tuple[str, int], object] = {}

    def is_next(self, _model):
        return not self.busy

    def start(self, model, directory, version, _digest, like):
        trial = FakeTrial(version, lambda: self._judge(model, directory, version, like))
        trial.held = version in self.held
        self.begun.append(trial)
        return trial

    def end(self, model):
        self.ended.append(model)

    def examine(self, directory, model, version, like=None):
        return self.loader.examine(directory, model, version, like)

    def load(self, _directory, model, version, _runtime_plan):
        return self._found.pop((model, version))

    def _judge(self, model, directory, version, like):
        if version in self.verdicts:
            return self.verdicts[version]
        try:
            found = self.loader.examine(directory, model, version, like)
        except UnfitError as exc:
            return Failed.of(exc)
        self._found[model, version] = found
        return Passed(digest=found.description.digest, runtime_plan=found.runtime_plan)
