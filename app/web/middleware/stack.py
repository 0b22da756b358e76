"""Creates the middleware that the settings require."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.auth.keyring import KeyRing
from app.config.networks import parse_networks
from app.config.origins import parse_origins
from app.config.run_dir import API_KEYS
from app.web.middleware.auth import Guard
from app.web.middleware.cors import CrossOrigin
from app.web.middleware.proxies import Proxied
from app.web.middleware.rate_limit import Limiter
from app.web.middleware.rate_limit_storage import SharedCounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.config.settings import Settings
    from app.web.middleware.gate import Layer
    from app.web.middleware.metrics import WebMetrics


def access_layers(
    settings: Settings, metrics: WebMetrics, clock: Callable[[], float], counts: Path | None
) -> list[Layer]:
    """Create the layers, the outermost first; there are none where the settings name none.

    Args:
        settings: The choice of layers.
        metrics: Counts admitted and rejected requests.
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
