"""Monitors a new default version after a swap, while the version before stays loaded.

The golden images are run through the new version once a second, when nothing else waits, and the
requests on which it fails are counted.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from app.host.batching.reply import BackgroundTask, Reply
from app.host.loading.golden_check import TrialFailedError, compare
from app.ipc.frames import Answer, Refusal
from model_store import Golden, Metadata, StoreError
from model_store.base.json_documents import read_document
from model_store.version.metadata import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.ipc.frames import Refused
    from model_store import Store

log = logging.getLogger(__name__)

REPLAY_S = 1.0
"""Interval at which the golden images are run again."""
_FAILURES = 3
"""Failed requests that cause a rollback. A single one may be an accident of this machine, such as a
shortage of memory."""


class Replay(BackgroundTask):
    """Golden images that run through the engine in the background."""

    def __init__(self, golden: Golden, classes: tuple[str, ...]) -> None:
        self._golden = golden
        self._classes = classes
        self.outcome: str | None = None
        """Once answered: the problem, or an empty string."""

    def answered(self, outcome: Answer | Refused) -> None:
        """Compare the answer with the golden probabilities."""
        self.outcome = self._find_problem(outcome)

    def _find_problem(self, outcome: Answer | Refused) -> str:
        if not isinstance(outcome, Answer):
            # A shortage of this machine is not the version's fault.
            return "" if outcome.reason == Refusal.OVERLOADED else outcome.sentence
        golden = self._golden
        try:
            compare(
                outcome.probabilities,
                golden.probabilities,
                np.arange(len(golden.images)),
                self._classes,
                when="run again while it served",
                tolerance=golden.tolerance,
            )
        except TrialFailedError as exc:
            return str(exc)
        return ""


class MonitoredSwap:
    """A version that became the default, and the version before it."""

    def __init__(
        self,
        version: int,
        before: int,
        replay: Callable[[], Replay | None],
        failures: Callable[[], int],
        *,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start to monitor.

        Args:
            version: The new default version.
            before: The one that stays loaded.
            replay: Starts to run the golden images again; returns None if they cannot be run.
            failures: Returns the number of requests that the new version failed on.
            window_s: How long it is monitored.
            clock: Monotonic seconds.
        """
        self.version = version
        self.before = before
        self._begin = replay
        self._count = failures
        self._clock = clock
        self._failed_before = failures()
        self._ends = clock() + window_s
        self._next = clock()
        self._replay: Replay | None = None

    @property
    def over(self) -> bool:
        """Whether the version has been monitored for long enough."""
        return self._clock() >= self._ends

    def check(self) -> str | None:
        """Return why the version before must come back; None if it need not."""
        failed = self._count() - self._failed_before
        if failed >= _FAILURES:
            return f"it failed on {failed} requests"
        if self._replay is not None and self._replay.outcome is not None:
            problem, self._replay = self._replay.outcome, None
            if problem:
                return problem
        if self._replay is None and self._clock() >= self._next:
            self._next = self._clock() + REPLAY_S
            self._replay = self._begin()
        return None


class RollbackMonitor:
    """Starts the monitoring of new default versions."""

    def __init__(
        self,
        store: Store,
        submit: Callable[[str, int, NDArray[np.uint8], Reply], bool],
        failures: Callable[[str, int], int],
        *,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create from its parts.

        Args:
            store: Where golden images come from.
            submit: Queues images of a model for a version as background work, with where
                the outcome goes; returns False if the queue is full.
            failures: Returns the number of requests that a version of a model failed on.
            window_s: How long a version is monitored.
            clock: Monotonic seconds.
        """
        self._store = store
        self._submit = submit
        self._failures = failures
        self._window_s = window_s
        self._clock = clock

    def begin(self, model: str, version: int, before: int) -> MonitoredSwap:
        """Start to monitor a version that became the default in place of another."""
        golden = self._read(model, version)

        def replay() -> Replay | None:
            if golden is None:
                return None
            begun = Replay(*golden)
            images = golden[0].images
            return begun if self._submit(model, version, images, Reply(begun)) else None

        def failures() -> int:
            return self._failures(model, version)

        return MonitoredSwap(
            version, before, replay, failures, window_s=self._window_s, clock=self._clock
        )

    def _read(self, model: str, version: int) -> tuple[Golden, tuple[str, ...]] | None:
        try:
            directory = self._store.fetch(model, version)
            golden = Golden.read(directory)
            return golden, read_document(directory / METADATA, Metadata).classes
        except StoreError as exc:
            log.warning("the golden images of %s version %d are not run: %s", model, version, exc)
            return None
