"""Creates the Flask application from its parts."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.share import parse_share
from app.web.api.admin.admin import admin_blueprint
from app.web.api.native.models import models_blueprint
from app.web.api.native.predict import predict_blueprint, read_head
from app.web.api.open_inference.infer import infer_blueprint
from app.web.api.open_inference.metadata import metadata_blueprint
from app.web.api.open_inference.readiness import readiness_blueprint
from app.web.api.open_inference.repository import repository_blueprint
from app.web.api.open_inference.statistics import statistics_blueprint
from app.web.api.ops.routes import ops_blueprint
from app.web.api.pages.page import page_blueprint
from app.web.api.pages.static_files import StaticFiles, static_blueprint
from app.web.api.tensorflow_serving.paths import parse_request_path
from app.web.api.tensorflow_serving.routes import tf_serving_blueprint
from app.web.description.routes import description_blueprint, swagger_files
from app.web.http.admin_token import check_token
from app.web.http.error_handlers import register_errors
from app.web.http.flask_app import FlaskApp
from app.web.http.held_bodies import held_bodies
from app.web.http.root_path import home
from app.web.inputs.picture_reader import PictureReader
from app.web.middleware.gate import Gate, GatedApplication
from app.web.middleware.request_log import RequestLog
from app.web.middleware.stack import access_layers
from app.web.openapi.live_values import Bounds
from app.web.prediction.canary import Traffic
from app.web.prediction.predictor import Predictor
from app.web.prediction.routes import GLYPH, TF_SERVING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.settings import Settings
    from app.web.host_client.blocking import BlockingHost
    from app.web.middleware.metrics import WebMetrics

_TF_SERVING_REST = ("/v1/<rest:rest>", "/V1/<rest:rest>")
_CHANGES = (
    "/models/<name>/<action>",
    "/v2/repository/models/<name>/load",
    "/v2/repository/models/<name>/unload",
)


def create_app(
    settings: Settings,
    channel: BlockingHost,
    metrics: WebMetrics,
    clock: Callable[[], float] = time.monotonic,
    reader: PictureReader | None = None,
    *,
    counts: Path | None = None,
) -> FlaskApp:
    """Create the application.

    Args:
        settings: Bounds and defaults.
        channel: Calls the model host; its creator starts and closes it.
        metrics: Counts requests.
        clock: Monotonic seconds; the channel's deadlines are readings of the same clock.
        reader: Reads pictures; by default one of this application's own.
        counts: File that counts for rate limits are kept in, for all web workers.
    """
    app = FlaskApp(__name__, static_folder=None)
    register_errors(app)
    timeout_ms = settings.request_timeout_ms
    traffic = traffic_of(settings, metrics)
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
    app.head_checks = {
        **dict.fromkeys(GLYPH, partial(read_head, timeout_ms=timeout_ms)),
        **dict.fromkeys((*TF_SERVING, *_TF_SERVING_REST), parse_request_path),
        **dict.fromkeys(_CHANGES, partial(check_token, token=token)),
    }
    app.register_blueprint(tf_serving_blueprint(predictor, **bounds))
    app.register_blueprint(models_blueprint(channel, traffic))
    app.register_blueprint(admin_blueprint(channel, token))
    app.register_blueprint(metadata_blueprint(channel))
    app.register_blueprint(readiness_blueprint(channel))
    app.register_blueprint(infer_blueprint(predictor, reader, **bounds))
    app.register_blueprint(statistics_blueprint(channel))
    app.register_blueprint(repository_blueprint(channel, token))
    app.register_blueprint(ops_blueprint(channel, metrics, timeout_ms=timeout_ms))
    static = StaticFiles(Path(__file__).parent / "api" / "pages" / "static", swagger_files())
    app.jinja_env.globals["home"] = home
    app.jinja_env.globals["static_url"] = lambda name: home() + static.url(name)
    app.register_blueprint(static_blueprint(static))
    app.register_blueprint(page_blueprint(channel))
    app.register_blueprint(description_blueprint(channel, Bounds.of(settings)))
    request_log = RequestLog(metrics, clock, log_all=settings.access_log == "all")
    gate = Gate(request_log, access_layers(settings, metrics, clock, counts), held_bodies)
    app.wsgi_app = GatedApplication(app.wsgi_app, gate)  # type: ignore[method-assign]
    return app


def traffic_of(settings: Settings, metrics: WebMetrics) -> Traffic:
    """Create the traffic splitter that the settings describe."""
    share = parse_share(settings.canary) if settings.canary else None
    return Traffic(share, on_choice=metrics.canary)
