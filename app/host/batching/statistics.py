"""Counts for each version what callers asked of it and how long it took.

Sums only, and nothing of the background. Several threads count, and another reads.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from app.ipc.frames import Answer
from app.ipc.statistics import STATISTICS, Duration, VersionStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.host.batching.batch_queue import Job
    from app.host.batching.routing import Lane
    from app.ipc.frames import Refused


class Statistics:
    """The sums of all versions in memory."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Begin with none.

        Args:
            now: Seconds since 1970.
        """
        self._now = now
        self._lock = threading.Lock()
        self._versions: dict[tuple[str, int], VersionStatistics] = {}

    def batch(self, lane: Lane, size: int, seconds: float) -> None:
        """Count a batch and its images."""
        if lane.background:
            return
        with self._lock:
            self._of(lane).batches.setdefault(size, Duration()).add(seconds)

    def ended(self, jobs: Sequence[tuple[Job, Answer | Refused]], at: float) -> None:
        """Count requests by how they ended.

        Args:
            jobs: Each with its outcome.
            at: The reading, when they ended, of the clock that their arrival was read on.
        """
        now = self._now()
        with self._lock:
            for job, outcome in jobs:
                if job.background:
                    continue
                lane: Any = job.lane
                of = self._of(lane)
                if isinstance(outcome, Answer):
                    of.images += len(outcome.probabilities)
                    of.last_at = now
                    of.success.add(at - job.arrived)
                    of.queue.add(outcome.queue_s)
                    of.inference.add(outcome.inference_s)
                else:
                    of.fail.add(at - job.arrived)

    def refused(self, lane: Lane) -> None:
        """Count a request that was not let in."""
        with self._lock:
            self._of(lane).fail.add(0.0)

    def forget(self, lane: Lane) -> None:
        """Drop the sums of a version that is no more in memory."""
        with self._lock:
            self._versions.pop(lane[:2], None)

    def render(self) -> bytes:
        """Give all sums as JSON."""
        with self._lock:
            return STATISTICS.dump_json(list(self._versions.values()))

    def _of(self, lane: Lane) -> VersionStatistics:
        found = self._versions.get(lane[:2])
        if found is None:
            found = self._versions[lane[:2]] = VersionStatistics(lane.model, lane.version)
        return found
