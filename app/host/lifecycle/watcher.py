"""Polls the store for models, keeps each model's versions in sync, and executes commands.

One thread does all of it, so that nothing here delays requests. One thing, as a command is a change
in the store and the poll after it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app.host.lifecycle.auto_rollback import REPLAY_S
from app.host.loading.runtime_selection import first_line
from app.ipc.status import HostStatus
from model_store import StoreError, StoreUnavailableError
from model_store.operations.admin_request import AdminRequest, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.host.lifecycle.reconciler import ModelVersions
    from model_store import Change, Store

log = logging.getLogger(__name__)

_MAX_COMMANDS = 32
"""Commands that may wait; an operator sends one at a time."""
_NICER = 10
"""By how much the watcher's priority is lowered once the first versions serve. Measured with
32 clients on two cores: in a swap the slowest 1 % take 1.5 times as long as otherwise, without it
twice as long; 19 was no better and slower."""
_NICEST = 19
_MOST_PATIENT = 5
"""The pause between failing polls grows up to so many times the usual interval."""


class StoreObserver(Protocol):
    """Records the state of the store."""

    def store(self, *, up: bool) -> None: ...

    def polled(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _PendingCommand:
    """An executed command, and the versions that it still waits for."""

    model: ModelVersions
    versions: frozenset[int]
    action: str
    change: Change
    done: Callable[[dict[str, Any]], None]


class StoreWatcher:
    """Keeps every model of a store served."""

    def __init__(
        self,
        store: Store,
        default: str,
        names: Sequence[str],
        *,
        make: Callable[[str, Callable[[], None]], ModelVersions],
        announce: Callable[[HostStatus], None],
        observer: StoreObserver,
        yields_to_others: bool = True,
    ) -> None:
        """Create with the default model and those named.

        Args:
            store: Holds models and versions.
            default: Name of the default model.
            names: All models to serve; empty for every model in the store.
            make: Creates the versions of a model; the second argument is called when their status
                has changed.
            announce: Notifies the web workers.
            observer: Records the state of the store.
            yields_to_others: Lower the priority of the polling thread, and of all it starts, once
                the first versions serve. Not for runtimes that compute in threads of their own:
                those that are started at a load compute the requests as well.
        """
        self._yields_to_others = yields_to_others
        self._store = store
        self._default = default
        self._named = tuple(names)
        self._make = make
        self._announce = announce
        self._observer = observer
        self._models: dict[str, ModelVersions] = {}
        """In the order of the status: web workers address a model by its index."""
        self._commands: queue.Queue[tuple[Mapping[str, Any], Callable[[dict[str, Any]], None]]] = (
            queue.Queue(_MAX_COMMANDS)
        )
        self._pending: list[_PendingCommand] = []
        """Commands that are answered when the versions they need have been tried."""
        self._trouble: str | None = None
        self._overdue: str | None = None
        """Set while the poll in progress takes too long: a message about it."""
        self._patience = 1
        """Multiple of the usual interval to wait before the next poll."""
        self._complete = bool(names)
        """All models to serve are known."""
        self._wake = threading.Event()
        self._stopped = False
        self._notify_lock = threading.Lock()
        for name in (default, *self._named):
            self._add_model(name)

    def run(self, interval_s: float) -> None:
        """Poll the store until stopped."""
        self.step()
        while not self._stopped:
            if self._yields_to_others and any(
                model.status().ready for model in self._models.values()
            ):
                self._yields_to_others = False
                _yield_to_others()
            self._wake.wait(self._pause(interval_s))
            self._wake.clear()
            if not self._stopped:
                self.step()
        self._end()

    def _pause(self, interval_s: float) -> float:
        """Return how long to wait before the next poll: longer after each failure."""
        if any(model.due for model in self._models.values()):
            return min(interval_s, REPLAY_S)
        return interval_s * self._patience

    def stop(self) -> None:
        """End `run`."""
        self._stopped = True
        self._wake.set()

    def wake(self) -> None:
        """Let `run` poll at once; any thread may."""
        self._wake.set()

    def submit(self, request: Mapping[str, Any], done: Callable[[dict[str, Any]], None]) -> None:
        """Queue a command for the watcher's thread; any thread may.

        Args:
            request: The action, the model, and the other fields of the command.
            done: Receives the result: success or error, and the change in the store.
        """
        if self._overdue is not None:
            done(_outcome(error=self._overdue, unavailable=True))
            return
        try:
            self._commands.put_nowait((request, done))
        except queue.Full:
            done(_outcome(error=f"{_MAX_COMMANDS} other commands are waiting"))
        self._wake.set()

    def overdue(self, message: str | None) -> None:
        """Set or clear the message that the poll in progress takes too long; any thread may."""
        self._overdue = message
        if message is not None:
            with contextlib.suppress(queue.Empty):
                while True:
                    _, done = self._commands.get_nowait()
                    done(_outcome(error=message, unavailable=True))
        self._notify()

    def step(self) -> None:
        """Execute the waiting commands, then poll once."""
        while True:
            try:
                request, done = self._commands.get_nowait()
            except queue.Empty:
                break
            self._execute(request, done)
        self.poll()

    def poll(self) -> None:
        """Poll the store once; whatever fails, loaded versions keep serving."""
        troubles = []
        try:
            names = self._find_models()
        except Exception as exc:  # noqa: BLE001 - reported, and polled again
            names, troubles = set(self._models), [exc]
        for name, model in list(self._models.items()):
            try:
                if name in names:
                    model.sync()
                else:
                    model.unload_all()
            except Exception as exc:  # noqa: BLE001 - likewise
                troubles.append(exc)
        self._patience = min(2 * self._patience, _MOST_PATIENT) if troubles else 1
        self._record_store_state(next(iter(troubles), None))
        self._answer_settled()
        self._observer.polled()

    def routed(self, model: str) -> None:
        """Publish a model's status, as the engine has changed its routes; any thread may."""
        self._models[model].publish_status()

    def status(self) -> HostStatus:
        """Return the status of all models, as each was published."""
        models = tuple(model.published or model.status() for model in self._models.values())
        return HostStatus(
            model=self._default,
            models=models,
            store_trouble=self._overdue or self._trouble,
            complete=self._complete,
        )

    def _find_models(self) -> set[str]:
        """Return the models to serve, and add new ones."""
        if self._named:
            return set(self._models)
        found = self._store.models()
        for name in found:
            self._add_model(name)
        self._complete = True
        # A store without any model is taken for unavailable, rather than for empty.
        return {self._default, *found} if found else set(self._models)

    def _add_model(self, name: str) -> None:
        if name not in self._models:
            model = self._make(name, self._notify)
            self._models = {**self._models, name: model}  # other threads may be reading it

    def _execute(self, request: Mapping[str, Any], done: Callable[[dict[str, Any]], None]) -> None:
        """Execute a command; report its result now, or when its versions have been tried."""
        try:
            command = AdminRequest.read(request)
            model = self._models.get(command.model)
            if model is None:
                raise CommandError(f"no model {command.model!r} is served here")  # noqa: TRY301
            change = command.apply(self._store, model.policy)
        except StoreUnavailableError as exc:
            done(_outcome(error=first_line(exc), unavailable=True))
            return
        except StoreError as exc:
            done(_outcome(error=first_line(exc)))
            return
        except Exception as exc:
            log.exception("an operator's command failed")
            done(_outcome(error=f"{type(exc).__name__}: {first_line(exc)}"))
            return
        if command.action in ("load", "release"):
            model.retry()
        before = model.awaited
        self.poll()
        asked = (command.version, change.control.pinned)
        versions = frozenset(n for n in model.awaited if n in asked or n not in before)
        self._pending.append(_PendingCommand(model, versions, command.action, change, done))
        self._answer_settled()

    def _answer_settled(self) -> None:
        """Report the results of commands whose versions have been tried."""
        waiting = []
        for one in self._pending:
            if one.versions & one.model.awaited:
                waiting.append(one)
            elif one.action == "load" and not (status := one.model.status()).ready:
                one.done(_outcome(error=status.reason, change=one.change))
            else:
                one.done(_outcome(change=one.change))
        self._pending = waiting

    def _record_store_state(self, trouble: Exception | None) -> None:
        """Record and log a change of whether the store can be read."""
        message = first_line(trouble) if trouble else None
        self._observer.store(up=trouble is None)
        if message == self._trouble:
            return
        if trouble is not None:
            log.error("store poll failed, retrying", exc_info=trouble)
        else:
            log.info("the store %s can be read again", self._store.location)
        self._trouble = message
        self._notify()

    def _notify(self) -> None:
        with self._notify_lock:  # several threads notify; the newest status must be sent last
            self._announce(self.status())

    def _end(self) -> None:
        """End trials, and reject the commands that have not been executed."""
        for model in self._models.values():
            model.close()
        waiting = [one.done for one in self._pending]
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._commands.get_nowait()[1])
        for done in waiting:
            done(_outcome(error="the model host is ending"))


def _yield_to_others() -> None:
    """Lower this thread's priority, and that of all it starts."""
    thread = threading.get_native_id()
    present = os.getpriority(os.PRIO_PROCESS, thread)
    os.setpriority(os.PRIO_PROCESS, thread, min(present + _NICER, _NICEST))


def _outcome(
    *, error: str | None = None, change: Change | None = None, unavailable: bool = False
) -> dict[str, Any]:
    made = change.model_dump(mode="json") if change else None
    return {"ok": error is None, "error": error, "change": made, "unavailable": unavailable}
