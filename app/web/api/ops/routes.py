"""Liveness, readiness, metrics and the example image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from app.telemetry.build_info import build_info
from app.web.http.environ import DRAINING, STARTED
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotReadyError, ServiceError
from app.web.http.responses import json_response
from app.web.prediction.model_views import describe_version

if TYPE_CHECKING:
    from app.web.host_client.blocking import BlockingHost
    from app.web.middleware.metrics import WebMetrics

_METRICS_TIMEOUT_S = 2.0
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def ops_blueprint(channel: BlockingHost, metrics: WebMetrics, *, timeout_ms: int) -> Blueprint:
    """Build the routes.

    Args:
        channel: Calls the model host.
        metrics: Of the web workers.
        timeout_ms: How long `/example` waits for the first version.
    """
    blueprint = Blueprint("operations", __name__)
    build = build_info()

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "alive"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        status = channel.status
        versions = [describe_version(version) for version in status.versions]
        trouble = {"store_trouble": status.store_trouble}
        about = {"model": status.model, "versions": versions, **trouble}
        if request.environ.get(DRAINING):
            code, reason = ErrorCode.SERVICE_DRAINING, "the service is shutting down"
            raise NotReadyError(reason, code=code, retry_after_s=1, **about)
        if not status.ready:
            code, reason = ErrorCode.MODEL_NOT_READY, status.reason or "no version serves"
            raise NotReadyError(reason, code=code, retry_after_s=1, **about)
        return json_response({"status": "ready", **about})

    @blueprint.get("/metrics")
    def exposition() -> Response:
        try:
            of_host = channel.metrics(request.environ[STARTED] + _METRICS_TIMEOUT_S)
        except ServiceError:
            of_host = b""
        up = b"# HELP glyph_host_up Whether the model host answered\n# TYPE glyph_host_up gauge\n"
        up += b"glyph_host_up %d\n" % bool(of_host)
        return Response(metrics.exposition() + of_host + up + build, content_type=_EXPOSITION)

    @blueprint.get("/example")
    @blueprint.get("/models/<name>/example")
    def example(name: str | None = None) -> Response:
        deadline = request.environ[STARTED] + timeout_ms / 1000
        channel.serving(deadline, model=name)
        pixels = channel.example(deadline, model=name)
        grey = pixels.shape[-1] == 1
        return json_response({"instances": [(pixels[..., 0] if grey else pixels).tolist()]})

    return blueprint
