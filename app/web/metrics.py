"""The web workers' metrics, all declared here.

In service they are prometheus_client's multiprocess kind: every worker counts in files of its own
below the run directory, and whoever answers `/metrics` adds them up. That kind must be chosen by
the environment before prometheus_client is imported.
"""

from __future__ import annotations

import os
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.run_dir import METRICS_DIR

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 5)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))


class WebMetrics:
    """Counts requests by what they were and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._requests = Counter(
            "glyph_http_requests",
            "Requests answered",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
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
        # labels() checks, converts and locks at every call; routes, methods and statuses are few.
        self._counter = cache(self._requests.labels)
        self._histogram = cache(self._seconds.labels)

    def began(self) -> None:
        """Note that a request came."""
        self._in_progress.inc()

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note how a request was answered."""
        self._in_progress.dec()
        method = method if method in _METHODS else "_OTHER"
        self._counter(route, method, status).inc()
        self._histogram(route).observe(seconds)

    def exposition(self) -> bytes:
        """Render the metrics of all web workers in Prometheus' text format."""
        if METRICS_DIR not in os.environ:
            return generate_latest(self._registry)
        joined = CollectorRegistry()
        MultiProcessCollector(joined)  # type: ignore[no-untyped-call]
        return generate_latest(joined)
