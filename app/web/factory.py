"""Builds the Flask application out of parts that are handed in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.share import parse_share
from app.web.access.layers import with_access
from app.web.admin import admin_blueprint
from app.web.errors import register_errors
from app.web.home import home
from app.web.lean_flask import LeanFlask
from app.web.models import models_blueprint
from app.web.observing import Observed
from app.web.open_inference.infer import infer_blueprint
from app.web.open_inference.metadata import metadata_blueprint
from app.web.open_inference.readiness import readiness_blueprint
from app.web.open_inference.repository import repository_blueprint
from app.web.open_inference.statistics import statistics_blueprint
from app.web.openapi.description import description_blueprint, swagger_files
from app.web.openapi.facts import Bounds
from app.web.operations import operations_blueprint
from app.web.page import page_blueprint
from app.web.pictures.reading import PictureReader
from app.web.predict import predict_blueprint
from app.web.predictor import Predictor
from app.web.static_files import StaticFiles, static_blueprint
from app.web.tf_serving.routes import tf_serving_blueprint
from app.web.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.settings import Settings
    from app.web.channel import HostChannel
    from app.web.metrics import WebMetrics


def create_app(
    settings: Settings,
    channel: HostChannel,
    metrics: WebMetrics,
    clock: Callable[[], float] = time.monotonic,
    reader: PictureReader | None = None,
    *,
    counts: Path | None = None,
) -> Flask:
    """Make the application.

    Args:
        settings: Bounds and defaults.
        channel: Asks the model host; whoever made it starts and closes it.
        metrics: Counts requests.
        clock: Monotonic seconds; the channel's deadlines are readings of the same clock.
        reader: Reads pictures; by default one of this application's own.
        counts: File that counts for rate limits are kept in, for all web workers.
    """
    app = LeanFlask(__name__, static_folder=None)
    register_errors(app)
    timeout_ms = settings.request_timeout_ms
    share = parse_share(settings.canary) if settings.canary else None
    traffic = Traffic(share, on_choice=metrics.canary)
    predictor = Predictor(channel, traffic)
    bounds = {
        "timeout_ms": timeout_ms,
        "max_images": settings.max_images,
        "max_body_bytes": settings.max_body_bytes,
    }
    token = settings.read_admin_token()
    most_bytes = settings.frame_bounds.pixels
    reader = reader or PictureReader(clock, on_shed=metrics.shed, most_bytes=most_bytes)
    app.register_blueprint(predict_blueprint(predictor, reader, **bounds))
    app.register_blueprint(tf_serving_blueprint(predictor, **bounds))
    app.register_blueprint(models_blueprint(channel, traffic))
    app.register_blueprint(admin_blueprint(channel, token))
    app.register_blueprint(metadata_blueprint(channel))
    app.register_blueprint(readiness_blueprint(channel))
    app.register_blueprint(infer_blueprint(predictor, reader, **bounds))
    app.register_blueprint(statistics_blueprint(channel))
    app.register_blueprint(repository_blueprint(channel, token))
    app.register_blueprint(operations_blueprint(channel, metrics, timeout_ms=timeout_ms))
    static = StaticFiles(Path(__file__).parent / "static", swagger_files())
    app.jinja_env.globals["home"] = home
    app.jinja_env.globals["static_url"] = lambda name: home() + static.url(name)
    app.register_blueprint(static_blueprint(static))
    app.register_blueprint(page_blueprint(channel))
    app.register_blueprint(description_blueprint(channel, Bounds.of(settings)))
    log_all = settings.access_log == "all"
    inner = with_access(app.wsgi_app, settings, metrics, clock, counts)
    app.wsgi_app = Observed(inner, metrics, clock, log_all=log_all)  # type: ignore[method-assign]
    return app
