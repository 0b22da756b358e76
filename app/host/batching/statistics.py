"""Counts requests and durations of each version.

Sums only, without background work. Several threads count, and another reads.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from app.ipc.frames import Answer
from app.ipc.statistics import STATISTICS, Duration, VersionStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.host.batching.jobs import BatchKey, Job
    from app.ipc.frames import Refused


class Statistics:
    """The sums of all versions in memory."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Create empty.

        Args:
            now: Seconds since 1970.
        """
        self._now = now
        self._lock = threading.Lock()
        self._versions: dict[tuple[str, int], VersionStatistics] = {}

    def batch(self, key: BatchKey, size: int, seconds: float) -> None:
        """Count a batch and its images."""
        if key.background:
            return
        with self._lock:
            self._of(key).batches.setdefault(size, Duration()).add(seconds)

    def ended(self, jobs: Sequence[tuple[Job, Answer | Refused]], at: float) -> None:
        """Count requests by how they ended.

        Args:
            jobs: Each with its outcome.
            at: When they ended, by the clock that measured their arrival.
        """
        now = self._now()
        with self._lock:
            for job, outcome in jobs:
                if job.background:
                    continue
                key = job.batch_key
                of = self._of(key)
                if isinstance(outcome, Answer):
                    of.images += len(outcome.probabilities)
                    of.last_at = now
                    of.success.add(at - job.arrived)
                    of.queue.add(outcome.queue_s)
                    of.inference.add(outcome.inference_s)
                else:
                    of.fail.add(at - job.arrived)

    def refused(self, key: BatchKey) -> None:
        """Count a request that was not admitted."""
        with self._lock:
            self._of(key).fail.add(0.0)

    def forget(self, key: BatchKey) -> None:
        """Delete the sums of a version that is not in memory any more."""
        with self._lock:
            self._versions.pop(key[:2], None)

    def render(self) -> bytes:
        """Return all sums as JSON."""
        with self._lock:
            return STATISTICS.dump_json(list(self._versions.values()))

    def _of(self, key: BatchKey) -> VersionStatistics:
        found = self._versions.get(key[:2])
        if found is None:
            found = self._versions[key[:2]] = VersionStatistics(key.model, key.version)
        return found
