"""What the model host has counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from tests.service import Service

_DROPPED = "glyph_requests_dropped_total"


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the host's start, or between two moments."""

    drops: dict[str, float]
    """Requests that were refused, by reason."""
    computed: float
    """Images."""
    batches: float
    busy_s: float
    """Time of the runtime."""

    def since(self, earlier: Counts) -> Counts:
        """Return the difference between the counts."""
        return Counts(
            {reason: count - earlier.drops.get(reason, 0) for reason, count in self.drops.items()},
            self.computed - earlier.computed,
            self.batches - earlier.batches,
            self.busy_s - earlier.busy_s,
        )


def counts(service: Service) -> Counts:
    """Read them from /metrics."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    drops = {s.labels["reason"]: s.value for s in samples if s.name == _DROPPED}
    by_name = {sample.name: sample.value for sample in samples}
    return Counts(
        drops,
        by_name["glyph_batch_size_images_sum"],
        by_name["glyph_inference_seconds_count"],
        by_name["glyph_inference_seconds_sum"],
    )
