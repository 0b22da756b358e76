"""The metrics of requests that run again on a shadow version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from app.telemetry.bulk_histogram import TalliedHistogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from app.host.shadow.shadow import Comparison

_OUTCOMES = ("agreed", "disagreed", "failed", "skipped")
_DIFFERENCES = (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # 0.0001: rounding alone
_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0)


class ShadowMetrics:
    """Counts the results of a shadow for requests that another version answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.images = Counter(
            "glyph_shadow_images",
            "Answered images that were to run again on the shadow, by what came of it",
            ["model", "outcome"],
            registry=registry,
        )
        self.difference = TalliedHistogram(
            "glyph_shadow_probability_difference",
            "By image: the largest difference between the two probabilities of a class",
            ["model"],
            registry=registry,
            buckets=_DIFFERENCES,
        )
        self.seconds = Histogram(
            "glyph_shadow_inference_seconds",
            "Runtime of a compared request's batches, as it was answered and on the shadow",
            ["model", "side"],
            registry=registry,
            buckets=_SECONDS,
        )

    def shadowed(self, model: str) -> None:
        """Initialize every count of a model with 0, so that a first disagreement is a rise."""
        for outcome in _OUTCOMES:
            self.images.labels(model, outcome)

    def compared(self, model: str, comparison: Comparison) -> None:
        """Count the images of a request that both versions answered."""
        agreed = int(comparison.agreed.sum())
        self.images.labels(model, "agreed").inc(agreed)
        self.images.labels(model, "disagreed").inc(len(comparison.agreed) - agreed)
        self.difference.labels(model).observe_all(comparison.differences.tolist())
        self.seconds.labels(model, "primary").observe(comparison.primary_s)
        self.seconds.labels(model, "shadow").observe(comparison.shadow_s)

    def skipped(self, model: str, images: int) -> None:
        """Count images that exceeded the bound, or whose shadow was replaced."""
        self.images.labels(model, "skipped").inc(images)

    def failed(self, model: str, images: int) -> None:
        """Count images on which the shadow failed."""
        self.images.labels(model, "failed").inc(images)
