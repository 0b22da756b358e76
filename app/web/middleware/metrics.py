"""The web workers' metrics, all declared here.

In service they are prometheus_client's multiprocess kind: every worker counts in files of its own
below the run directory, and the worker that answers `/metrics` adds them up. That kind is chosen by
the environment before prometheus_client is imported. Writing to a file is dear, so a worker gathers
what happened and writes it ten times a second.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter as Tally
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.config.run_dir import METRICS_DIR
from app.telemetry.bulk_histogram import TalliedHistogram
from app.telemetry.counter_files import count_in_lasting_files
from app.telemetry.multiprocess import unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

log = logging.getLogger(__name__)

WRITE_EVERY_S = 0.1

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 5)
_MOST_UNWRITTEN = 10_000
_SHED = ("full", "unsent", "held", "pictures")
_REFUSED = ("no_key", "unknown_key", "expired_key", "no_keys", "admin_token", "limit")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))


class WebMetrics:
    """Counts requests by route, method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        count_in_lasting_files()
        self._registry = registry
        registry.register(self)
        self._requests = Counter(
            "glyph_http_requests",
            "Requests answered",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = TalliedHistogram(
            "glyph_http_request_seconds",
            "From the request's head to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_progress = Gauge(
            "glyph_http_requests_in_progress",
            "Requests that are being answered",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._sheds = Counter(
            "glyph_requests_shed",
            "Requests that a web worker refused without asking the model host, by reason",
            ["reason"],
            registry=registry,
        )
        for reason in _SHED:
            self._sheds.labels(reason)
        self._by_key = Counter(
            "glyph_requests_by_key",
            "Requests that an API key let in, by its name",
            ["key"],
            registry=registry,
        )
        self._rejections = Counter(
            "glyph_requests_refused",
            "Requests that were not let in, by reason",
            ["reason"],
            registry=registry,
        )
        for reason in _REFUSED:
            self._rejections.labels(reason)
        self._canary_requests = Counter(
            "glyph_canary_requests",
            "Requests that could have gone to a canary, by where they went",
            ["model", "side"],
            registry=registry,
        )
        self._shed: Tally[str] = Tally()
        self._let_in: Tally[str] = Tally()
        self._refused: Tally[str] = Tally()
        self._canaries: Tally[tuple[str, str]] = Tally()
        self._lock = threading.Lock()
        """Requests are answered on the event loop and in threads."""
        self._open = 0
        self._ended: list[tuple[str, str, int, float]] = []

    def began(self) -> None:
        """Record that a request came."""
        with self._lock:
            self._open += 1

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record how a request was answered."""
        with self._lock:
            self._open -= 1
            self._ended.append((route, method, status, seconds))
            full = len(self._ended) == _MOST_UNWRITTEN
        if full:
            self.write()

    def shed(self, reason: str) -> None:
        """Record that a request is rejected without a call to the model host."""
        with self._lock:
            self._shed[reason] += 1

    def let_in(self, key: str) -> None:
        """Record that an API key of this name admits a request."""
        with self._lock:
            self._let_in[key] += 1

    def refused(self, reason: str) -> None:
        """Record that a request is not admitted."""
        with self._lock:
            self._refused[reason] += 1

    def canary(self, model: str, side: str) -> None:
        """Record the side, `canary` or `default`, that a request for a model goes to."""
        with self._lock:
            self._canaries[model, side] += 1

    def write(self) -> None:
        """Write the recorded values to the metrics."""
        with self._lock:
            canaries, self._canaries = self._canaries, Tally()
            shed, self._shed = self._shed, Tally()
            let_in, self._let_in = self._let_in, Tally()
            refused, self._refused = self._refused, Tally()
            ended, self._ended = self._ended, []
        for split, count in canaries.items():
            self._canary_requests.labels(*split).inc(count)
        for counter, tally in (
            (self._sheds, shed),
            (self._by_key, let_in),
            (self._rejections, refused),
        ):
            for label, count in tally.items():
                counter.labels(label).inc(count)
        self._in_progress.set(self._open)
        for labels, count in Tally(
            (route, method if method in _METHODS else "_OTHER", status)
            for route, method, status, _ in ended
        ).items():
            self._requests.labels(*labels).inc(count)
        for route in {request[0] for request in ended}:
            seconds = [request[3] for request in ended if request[0] == route]
            self._seconds.labels(route).observe_all(seconds)

    def collect(self) -> Iterable[Metric]:
        """Write first whenever a registry is read; the metrics themselves are registered apart."""
        self.write()
        return ()

    def exposition(self) -> bytes:
        """Render the metrics of all web workers in Prometheus' text format.

        Where the other workers' files cannot be read, these are this worker's own.
        """
        if METRICS_DIR in os.environ:
            self.write()
            try:
                return _join_workers(Path(os.environ[METRICS_DIR]))
            except OSError as exc:
                log.warning("metrics of the web workers cannot be merged: %s", exc)
        return generate_latest(self._registry)


def _join_workers(directory: Path) -> bytes:
    """Write the metrics of living and dead workers."""
    joined = CollectorRegistry()
    with unchanged(directory):
        MultiProcessCollector(joined, str(directory))  # type: ignore[no-untyped-call]
        return generate_latest(joined)
