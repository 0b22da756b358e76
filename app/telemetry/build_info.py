"""What is running: one constant sample for `/metrics`."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable

REVISION = "GLYPH_REVISION"
"""The image's build puts the commit there."""


@cache
def glyph_version() -> str:
    """Return which version is installed; reading it takes milliseconds, and it stays the same."""
    return version("glyph")


class _BuildInfo:
    """Collects the sample."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return a gauge that is 1, as the labels are what it is about."""
        family = GaugeMetricFamily(
            "glyph_build_info",
            "What is running; the value is always 1",
            labels=["version", "python", "revision"],
        )
        labels = [glyph_version(), platform.python_version(), os.environ.get(REVISION, "")]
        family.add_metric(labels, 1)
        return [family]


def build_info() -> bytes:
    """Return the sample in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_BuildInfo())
    return generate_latest(registry)
