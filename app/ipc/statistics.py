"""Counts and durations of each version, as the model host sends them to web workers."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter


@dataclass(slots=True)
class Duration:
    """A count of events, and their total duration."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one event."""
        self.count += 1
        self.seconds += seconds


@dataclass(slots=True)
class VersionStatistics:
    """Statistics of one version since the host started, or since the version was loaded."""

    model: str
    version: int
    images: int = 0
    """Those that were answered."""
    last_at: float = 0.0
    """When a request was answered last, in seconds since 1970; 0 is never."""
    success: Duration = field(default_factory=Duration)
    """Answered requests, from their arrival at the host to their answer."""
    fail: Duration = field(default_factory=Duration)
    """Requests that got no answer: refused, too late, given up, or the model failed on them."""
    queue: Duration = field(default_factory=Duration)
    """Of answered requests: from their arrival to their first batch."""
    inference: Duration = field(default_factory=Duration)
    """Of answered requests: in the runtime."""
    batches: dict[int, Duration] = field(default_factory=dict)
    """Size in images -> in the runtime."""


STATISTICS = TypeAdapter(list[VersionStatistics])
"""Writes and reads them as JSON."""
