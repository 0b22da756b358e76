"""The model host's metrics, all declared here."""

from __future__ import annotations

import time
from collections import Counter as Tally
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from prometheus_client import CollectorRegistry

    from app.host.batching.cost_model import BatchCostModel

# Else every counter exposes a second series that Prometheus does not need.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0)
_SIZES = tuple(1 << power for power in range(11))  # 1 to 1,024 images
_OUTCOMES = ("served", "refused")
_DROPS = ("overloaded", "expired", "abandoned", "failed", "not_ready", "misfit")


class HostMetrics:
    """Counts the events of the host; implements the observer protocols of its parts."""

    def __init__(
        self,
        registry: CollectorRegistry,
        waiting: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._clock = clock
        ProcessCollector(namespace="glyph_host", registry=registry)
        self.batch_size = Histogram(
            "glyph_batch_size_images", "Images per batch", registry=registry, buckets=_SIZES
        )
        self.inference = Histogram(
            "glyph_inference_seconds", "Runtime per batch", registry=registry, buckets=_SECONDS
        )
        self.queue_wait = Histogram(
            "glyph_queue_wait_seconds",
            "From arrival at the host to the first batch",
            registry=registry,
            buckets=_SECONDS,
        )
        queue_images = Gauge("glyph_queue_images", "Images that wait", registry=registry)
        queue_images.set_function(waiting)
        self.predictions = Counter(
            "glyph_predictions", "Images answered", ["model", "class"], registry=registry
        )
        self.drops = Counter(
            "glyph_requests_dropped",
            "Requests refused or dropped, by reason",
            ["reason"],
            registry=registry,
        )
        self.version = Gauge(
            "glyph_model_version",
            "Default version: requests get it that ask for none",
            ["model"],
            registry=registry,
        )
        self.versions = Gauge(
            "glyph_model_versions_loaded", "Versions in memory", ["model"], registry=registry
        )
        self.refusals = Gauge(
            "glyph_model_versions_refused",
            "Versions that are not to be loaded: they failed a trial, or somebody said so",
            ["model"],
            registry=registry,
        )
        self.swaps = Counter(
            "glyph_model_swaps",
            "Times another version became the default one",
            ["model"],
            registry=registry,
        )
        self.rollbacks = Counter(
            "glyph_model_rollbacks",
            "Times a version that had turned bad was given up for the one before it",
            ["model"],
            registry=registry,
        )
        self.store_up = Gauge(
            "glyph_store_up", "1 if the store could be read at the last look", registry=registry
        )
        self._last_poll = clock()
        poll_age = Gauge(
            "glyph_store_last_look_age_seconds",
            "Since the watcher last finished a look at the store, whatever came of it",
            registry=registry,
        )
        poll_age.set_function(self.poll_age_s)
        self.loads = Counter(
            "glyph_model_loads",
            "Versions tried, by outcome",
            ["model", "outcome"],
            registry=registry,
        )
        self.load_seconds = Histogram(
            "glyph_model_load_seconds",
            "From finding a version to serving it",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.batch_seconds = Gauge(
            "glyph_batch_seconds",
            "Measured when the version was loaded: the runtime's time for a batch of this size",
            ["model", "size"],
            registry=registry,
        )
        self.batch_limit = Gauge(
            "glyph_batch_limit_images",
            "Largest batch worth making, by that measurement",
            ["model"],
            registry=registry,
        )
        self.failures: Tally[tuple[str, int]] = Tally()
        """Requests on which a version failed, by model and version."""
        self.restarts = Counter(
            "glyph_host_restarts", "Times the model host was started again", registry=registry
        )
        for reason in _DROPS:
            self.drops.labels(reason)

    def exposition(self) -> bytes:
        """Render everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def batch(self, size: int, seconds: float) -> None:
        """Observe a computed batch."""
        self.batch_size.observe(size)
        self.inference.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Observe that a request's first image entered a batch."""
        self.queue_wait.observe(seconds)

    def predicted(
        self, model: str, classes: Sequence[str], probabilities: NDArray[np.float32]
    ) -> None:
        """Count the answers of a batch by class."""
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(classes))
        for index in counts.nonzero()[0]:
            self.predictions.labels(model, classes[int(index)]).inc(int(counts[index]))

    def dropped(self, reason: str) -> None:
        """Count a request that got no answer."""
        self.drops.labels(reason).inc()

    def failed(self, model: str, version: int) -> None:
        """Count a request on which a version failed."""
        self.failures[model, version] += 1

    def loaded(self, model: str, version: int, seconds: float, costs: BatchCostModel) -> None:  # noqa: ARG002
        """Record that a version serves, and its batch costs."""
        self.loads.labels(model, "served").inc()
        self.load_seconds.observe(seconds)
        self.batch_limit.labels(model).set(costs.limit)
        self.batch_seconds.remove_by_labels({"model": model})
        for size, batch_s in costs.seconds.items():
            self.batch_seconds.labels(model, size).set(batch_s)

    def refused(self, model: str) -> None:
        """Count a version that failed its trial."""
        self.loads.labels(model, "refused").inc()

    def defaulted(self, model: str, version: int | None, *, swap: bool) -> None:
        """Record the default version, if there is one."""
        if version is None:
            for gauge in (self.version, self.batch_limit, self.batch_seconds):
                gauge.remove_by_labels({"model": model})
            return
        self.version.labels(model).set(version)
        self.swaps.labels(model).inc(swap)

    def rolled_back(self, model: str) -> None:
        """Count a version that was given up for the one before it."""
        self.rollbacks.labels(model).inc()

    def counted(self, model: str, *, loaded: int, refused: int) -> None:
        """Record how many versions of a model are loaded and refused."""
        self.versions.labels(model).set(loaded)
        self.refusals.labels(model).set(refused)
        # So that the first event is a rise from zero.
        self.rollbacks.labels(model)
        self.swaps.labels(model)
        for outcome in _OUTCOMES:
            self.loads.labels(model, outcome)

    def store(self, *, up: bool) -> None:
        """Record whether the store can be read."""
        self.store_up.set(up)

    def poll_age_s(self) -> float:
        """Return how long ago the last store poll ended, or this object was created."""
        return self._clock() - self._last_poll

    def polled(self) -> None:
        """Record that a store poll has ended."""
        self._last_poll = self._clock()
