"""The time after a swap in which the version before stays loaded, to come back if need be.

The golden images are run again through the new version, once a second, whenever nothing else
waits; and requests on which it fails are counted.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from app.host.batching.background import BackgroundTask
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
"""How often the golden images are run again."""
_FAILURES = 3
"""Requests that the new version may not fail on before the one before it comes back. A single one
may be an accident of this machine, as when memory is short."""


class Replay(BackgroundTask):
    """Golden images on their way through the engine."""

    def __init__(self, golden: Golden, classes: tuple[str, ...]) -> None:
        self._golden = golden
        self._classes = classes
        self.outcome: str | None = None
        """Once answered: what is wrong with it, or nothing."""

    def answered(self, outcome: Answer | Refused) -> None:
        """Compare."""
        self.outcome = self._judge(outcome)

    def _judge(self, outcome: Answer | Refused) -> str:
        if not isinstance(outcome, Answer):  # what this machine lacks is no fault of the version
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
    """A version that took over, and the one before it."""

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
        """Begin.

        Args:
            version: The new default version.
            before: The one that stays loaded.
            replay: Begins to run the golden images again; gives None where that is not to be.
            failures: Counts the requests that the new one failed on.
            window_s: How long it is watched.
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
        """Whether the version has been watched for long enough."""
        return self._clock() >= self._ends

    def check(self) -> str | None:
        """Say why the version before must come back, if it must."""
        failed = self._count() - self._failed_before
        if failed >= _FAILURES:
            return f"it failed on {failed} requests"
        if self._replay is not None and self._replay.outcome is not None:
            trouble, self._replay = self._replay.outcome, None
            if trouble:
                return trouble
        if self._replay is None and self._clock() >= self._next:
            self._next = self._clock() + REPLAY_S
            self._replay = self._begin()
        return None


class RollbackMonitor:
    """Puts new default versions on probation."""

    def __init__(
        self,
        store: Store,
        submit: Callable[[str, int, NDArray[np.uint8], object], bool],
        failures: Callable[[str, int], int],
        *,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts.

        Args:
            store: Where golden images come from.
            submit: Has images of a model run through a version when nothing else waits, with their
                origin; False where there is no room.
            failures: Counts the requests that a version of a model failed on.
            window_s: How long a probation is.
            clock: Monotonic seconds.
        """
        self._store = store
        self._submit = submit
        self._failures = failures
        self._window_s = window_s
        self._clock = clock

    def begin(self, model: str, version: int, before: int) -> MonitoredSwap:
        """Watch a version that took over from another."""
        golden = self._read(model, version)

        def replay() -> Replay | None:
            if golden is None:
                return None
            begun = Replay(*golden)
            return begun if self._submit(model, version, golden[0].images, begun) else None

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
