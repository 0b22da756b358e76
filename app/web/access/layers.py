"""Puts around the application what the settings ask for, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.access.keyring import KeyRing
from app.access.networks import parse_networks
from app.access.origins import parse_origins
from app.run_dir import API_KEYS
from app.web.access.cors import CrossOrigin
from app.web.access.guard import Guard
from app.web.access.proxies import Proxied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from wsgiref.types import WSGIApplication

    from app.settings import Settings
    from app.web.access.limiting import Limiter
    from app.web.metrics import WebMetrics


def with_access(
    application: WSGIApplication,
    settings: Settings,
    metrics: WebMetrics,
    clock: Callable[[], float],
    counts: Path | None,
) -> WSGIApplication:
    """Wrap an application; without any of the settings it is given back as it is.

    Args:
        application: Flask's.
        settings: Say what is wanted.
        metrics: Counts who is let in and who is not.
        clock: Monotonic seconds.
        counts: File that counts for limits are kept in, for all web workers; None is this one only.
    """
    keys = settings.api_keys_file
    copy = None if counts is None else counts.with_name(API_KEYS)
    if keys is not None or settings.rate_limit is not None:
        application = Guard(
            application,
            keys=None if keys is None else KeyRing(keys, clock, copy=copy),
            limiter=_limiter(counts, clock),
            rate=settings.rate_limit,
            admin_token=settings.read_admin_token(),
            metrics=metrics,
        )
    if settings.cors_origins is not None:
        origins = parse_origins(settings.cors_origins)
        application = CrossOrigin(application, origins, with_keys=keys is not None)
    if settings.trusted_proxies is not None:
        application = Proxied(application, parse_networks(settings.trusted_proxies))
    return application


def _limiter(counts: Path | None, clock: Callable[[], float]) -> Limiter:
    from app.web.access.counts import SharedCounts  # noqa: PLC0415 - 150 ms, for limits only
    from app.web.access.limiting import Limiter  # noqa: PLC0415 - likewise

    return Limiter(SharedCounts(counts, clock), clock)
