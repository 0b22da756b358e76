"""A store whose every call ends: one that is not answered in time is refused with a sentence.

A network file system, or one that a program makes, may keep a system call for ever, and nothing
interrupts it. So calls run in a thread that can be left behind. No more than a few are: while one
of them waits, all calls are refused at once, and another is tried less and less often.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from model_store.base.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store.control.document import Control
    from model_store.stores.protocol import Store

ANSWER_S = 10.0
"""For what reads or writes a few documents. An object store's own deadline of a request is less."""
TRANSFER_S = 3600.0
"""For what moves or hashes whole versions, which may be large and far away."""
MOST_STUCK = 32
"""Threads left behind at the same time, reached after hours in which nothing came back."""
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0

_DOCUMENTS = {
    "models": "for its models",
    "versions": "for the versions",
    "unfinished": "for the unfinished versions",
    "latest": "for the latest version",
    "find_trace": "for what it holds",
    "metadata": "for the metadata",
    "manifest": "for the manifest",
    "fingerprint": "for the state of the files",
    "control": "for the control document",
    "history": "for the history",
    "change": "for a change",
}
_TRANSFERS = {
    "fetch": "for the files",
    "verify": "for the files",
    "adopt": "to take in a version",
    "add_signature": "to add a signature",
    "remove": "to remove a version",
    "clean": "to clean up",
}
_ASKED = _DOCUMENTS | _TRANSFERS


def bounded(
    open_: Callable[[], Store],
    *,
    answer_s: float = ANSWER_S,
    transfer_s: float = TRANSFER_S,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Store:
    """Return a store that raises StoreUnavailableError for what is not answered in time.

    Any thread may use it; calls take turns. Drafts are not bounded: they are for publishers.

    Args:
        open_: Opens the store; called again when a call is left behind, since an instance is not
            for several threads.
        answer_s: Deadline of what reads or writes a few documents.
        transfer_s: Deadline of what moves whole versions.
        clock: Monotonic seconds.
        now: The time of day, for the sentence.
    """
    limits = dict.fromkeys(_DOCUMENTS, answer_s) | dict.fromkeys(_TRANSFERS, transfer_s)
    return cast("Store", _BoundedStore(open_, limits, clock, now))


class _Call:
    """One question to a store, asked in another thread."""

    def __init__(self, store: Store, name: str, asked: str, at: datetime) -> None:
        when = f"{at:%Y-%m-%d %H:%M:%S} UTC"
        self.message = (
            f"{store.location} does not answer: it was asked {asked} at {when}, and there is no "
            "answer yet"
        )
        if name == "change":
            self.message += "; the change may be made all the same"
        self._method = getattr(store, name)
        self._done = threading.Event()
        self._given_up = False
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether the store has answered."""
        return self._done.is_set()

    def run(self, *arguments: Any, **options: Any) -> None:
        """Ask the store."""
        try:
            self._result = self._method(*arguments, **options)
        except BaseException as exc:  # noqa: BLE001 - raised in the thread that waits
            self._error = exc
        finally:
            self._done.set()

    def wait(self, limit_s: float) -> bool:
        """Return whether the store answered in time; give the call up if not."""
        self._given_up = not self._done.wait(limit_s)
        return not self._given_up

    def answer(self) -> Any:
        """Return what the store answered, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def unless_given_up(self, edit: Callable[[Control], Control]) -> Callable[[Control], Control]:
        """Return an edit that makes no change which its author was told has failed."""

        def guarded(control: Control) -> Control:
            if self._given_up:
                raise StoreUnavailableError(self.message)
            return edit(control)

        return guarded


class _Worker:
    """A thread that asks a store, one question after another, until it is left behind."""

    def __init__(self, store: Store, here: threading.local) -> None:
        """Start; the thread takes its priority from the one that starts it."""
        self.store = store
        self.priority = _priority()
        self._here = here
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.do = self._tasks.put
        threading.Thread(target=self._run, name="store", daemon=True).start()

    def end(self) -> None:
        """End the thread when it has nothing more to do."""
        self._tasks.put(None)

    def _run(self) -> None:
        self._here.store = self.store
        while (task := self._tasks.get()) is not None:
            task()


class _BoundedStore:
    """Passes every method of a store on, with a deadline."""

    def __init__(
        self,
        open_: Callable[[], Store],
        limits: dict[str, float],
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._open = open_
        self._store = open_()
        self._limits = limits
        self._clock = clock
        self._now = now
        self._turn = threading.Lock()
        self._here = threading.local()
        self._worker: _Worker | None = None
        self._stuck: list[_Call] = []
        self._pause_s = _FIRST_PAUSE_S
        self._next_try = 0.0

    def __getattr__(self, name: str) -> Any:
        limit_s = self._limits.get(name)
        if limit_s is None:
            return getattr(self._store, name)
        return partial(self._ask, name, limit_s)

    def _ask(self, name: str, limit_s: float, *arguments: Any, **options: Any) -> Any:
        inside = getattr(self._here, "store", None)
        if inside is not None:  # an edit asks in its turn; its thread is bounded already
            return getattr(inside, name)(*arguments, **options)
        if not self._turn.acquire(timeout=limit_s):
            raise StoreUnavailableError(f"{self._store.location} is busy with another request")
        try:
            self._refuse_while_stuck()
            call = self._begin(name, arguments, options)
            if not call.wait(limit_s):
                self._leave_behind(call)
                raise StoreUnavailableError(self._stuck[0].message)
            self._pause_s = _FIRST_PAUSE_S
            return call.answer()
        finally:
            self._turn.release()

    def _begin(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> _Call:
        asked = _ASKED[name] + "".join(f" of {a}" for a in arguments[:1] if isinstance(a, str))
        call = _Call(self._store, name, asked, self._now())
        given = [call.unless_given_up(a) if callable(a) else a for a in arguments]
        if self._worker is None or self._worker.priority != _priority():
            self._end_worker()
            self._worker = _Worker(self._store, self._here)
        self._worker.do(partial(call.run, *given, **options))
        return call

    def _refuse_while_stuck(self) -> None:
        """Refuse at once while an earlier call waits, unless it is time to try again."""
        self._stuck = [call for call in self._stuck if not call.done]
        if not self._stuck:
            return
        if len(self._stuck) >= MOST_STUCK or self._clock() < self._next_try:
            raise StoreUnavailableError(self._stuck[0].message)

    def _leave_behind(self, call: _Call) -> None:
        self._stuck.append(call)
        self._end_worker()
        self._store = self._open()
        self._next_try = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def _priority() -> int:
    """Return the priority of this thread, which may be a low one."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
