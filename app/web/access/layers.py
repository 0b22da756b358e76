"""Chooses what the settings ask for around the application, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.access.keyring import KeyRing
from app.access.networks import parse_networks
from app.access.origins import parse_origins
from app.run_dir import API_KEYS
from app.web.access.cors import CrossOrigin
from app.web.access.counts import SharedCounts
from app.web.access.guard import Guard
from app.web.access.limiting import Limiter
from app.web.access.proxies import Proxied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.settings import Settings
    from app.web.gate import Layer
    from app.web.metrics import WebMetrics


def access_layers(
    settings: Settings, metrics: WebMetrics, clock: Callable[[], float], counts: Path | None
) -> list[Layer]:
    """Create the layers, the outermost first; there are none where the settings name none.

    Args:
        settings: Say what is wanted.
        metrics: Counts who is let in and who is not.
        clock: Monotonic seconds.
        counts: File that counts for limits are kept in, for all web workers; None is this one only.
    """
    layers: list[Layer] = []
    keys = settings.api_keys_file
    copy = None if counts is None else counts.with_name(API_KEYS)
    if settings.trusted_proxies is not None:
        layers.append(Proxied(parse_networks(settings.trusted_proxies)))
    if settings.cors_origins is not None:
        origins = parse_origins(settings.cors_origins)
        layers.append(CrossOrigin(origins, with_keys=keys is not None))
    if keys is not None or settings.rate_limit is not None:
        guard = Guard(
            keys=None if keys is None else KeyRing(keys, clock, copy=copy),
            limiter=Limiter(SharedCounts(counts, clock)),
            rate=settings.rate_limit,
            admin_token=settings.read_admin_token(),
            metrics=metrics,
        )
        layers.append(guard)
    return layers
