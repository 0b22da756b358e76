"""What operators and the curious ask: is it alive, is it ready, how does it do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from app.web.http.errors import NotReadyError, ServiceError, json_response
from app.web.middleware.request_log import DRAINING, STARTED
from app.web.prediction.model_views import describe_version

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.web.host_client.blocking import BlockingHost
    from app.web.middleware.metrics import WebMetrics

_METRICS_TIMEOUT_S = 2.0
EXAMPLE_TIMEOUT_S = 2.0
"""How long a page waits for its example."""
_SHOWN = 2**18
"""Numbers in an example that a page shows."""
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

ROUTES = {
    "POST /predict": "classify images with the default model",
    "POST /models/<name>/predict": "classify images with another model",
    "POST /models/<name>/versions/<version>/predict": "with one of its versions that is loaded",
    "POST /models/<name>/labels/<label>/predict": "with the version that a label points at",
    "GET /example": "a body for `/predict` that works as it is",
    "GET /models/<name>/example": "a body for another model, whose images may be of another size",
    "GET /models": "every model: versions, labels, policy, traffic, and why one does not serve",
    "GET /models/<name>": "one model",
    "GET /models/<name>/versions/<version>": "one version: digest, runtime, batch curve, traffic",
    "POST /models/<name>/<action>": "change something; needs the admin token",
    "POST /v1/models/<name>:predict": "classify images as TensorFlow Serving does",
    "POST /v1/models/<name>/versions/<version>:predict": "with one of its versions",
    "POST /v1/models/<name>/labels/<label>:predict": "with the version that a label points at",
    "GET /v1/models/<name>": "states of its versions, as TensorFlow Serving tells them",
    "GET /v1/models/<name>/versions/<version>": "state of one version",
    "GET /v1/models/<name>/labels/<label>": "state of the version that a label points at",
    "GET /v1/models/<name>/metadata": "what it takes and gives, as TensorFlow Serving tells it",
    "GET /v1/models/<name>/versions/<version>/metadata": "what one version takes and gives",
    "GET /v1/models/<name>/labels/<label>/metadata": "what the labelled version takes and gives",
    "GET /v2": "what the server can, as the Open Inference Protocol tells it",
    "GET /v2/health/live": "200 while this process answers",
    "GET /v2/health/ready": "200 once every model serves that was not unloaded, else 503",
    "GET /v2/models/<name>": "what a model takes and gives",
    "GET /v2/models/<name>/versions/<version>": "what one of its versions takes and gives",
    "GET /v2/models/<name>/ready": "200 once it serves, else 503",
    "GET /v2/models/<name>/versions/<version>/ready": "200 once this version serves, else 503",
    "POST /v2/models/<name>/infer": "classify images: tensors in and out",
    "POST /v2/models/<name>/versions/<version>/infer": "with one of its versions that is loaded",
    "GET /v2/models/stats": "how often and how long each version was asked",
    "GET /v2/models/<name>/stats": "how often and how long its versions were asked",
    "GET /v2/models/<name>/versions/<version>/stats": "how often and how long this one was asked",
    "POST /v2/repository/index": "models and versions, as the Open Inference Protocol lists them",
    "POST /v2/repository/models/<name>/load": "load a model; needs the admin token",
    "POST /v2/repository/models/<name>/unload": "unload a model; needs the admin token",
    "GET /": "a page to draw on; what is here, as JSON",
    "GET /docs": "what can be asked, to read and to try",
    "GET /openapi.json": "the same for machines: OpenAPI 3.1",
    "GET /healthz": "200 while this process answers",
    "GET /readyz": "200 once a version serves, else 503 with the reason; lists the versions",
    "GET /metrics": "metrics in Prometheus' text format",
}
"""Method and rule -> what it is for, wherever that is told."""


def operations_blueprint(
    channel: BlockingHost, metrics: WebMetrics, *, timeout_ms: int
) -> Blueprint:
    """Build the routes.

    Args:
        channel: Asks the model host.
        metrics: Of the web workers.
        timeout_ms: How long `/example` waits for the first version.
    """
    blueprint = Blueprint("operations", __name__)

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
            raise NotReadyError("the service is shutting down", retry_after_s=1, **about)
        if not status.ready:
            raise NotReadyError(status.reason or "no version serves", retry_after_s=1, **about)
        return json_response({"status": "ready", **about})

    @blueprint.get("/metrics")
    def exposition() -> Response:
        try:
            of_host = channel.metrics(request.environ[STARTED] + _METRICS_TIMEOUT_S)
        except ServiceError:
            of_host = b""
        up = b"# HELP glyph_host_up Whether the model host answered\n# TYPE glyph_host_up gauge\n"
        up += b"glyph_host_up %d\n" % bool(of_host)
        return Response(metrics.exposition() + of_host + up, content_type=_EXPOSITION)

    @blueprint.get("/example")
    @blueprint.get("/models/<name>/example")
    def example(name: str | None = None) -> Response:
        deadline = request.environ[STARTED] + timeout_ms / 1000
        channel.serving(deadline, model=name)
        pixels = channel.example(deadline, model=name)
        grey = pixels.shape[-1] == 1
        return json_response({"instances": [(pixels[..., 0] if grey else pixels).tolist()]})

    return blueprint


def shown_example(channel: BlockingHost, deadline: float) -> NDArray[np.uint8] | None:
    """Return a golden image of the default model for a page; None if it cannot be had, or is large.

    A page is of use without it, and nobody reads so many numbers.
    """
    serving = channel.status.serving
    loaded = serving.loaded if serving is not None else None
    if loaded is None or math.prod(loaded.input_shape) > _SHOWN:
        return None
    try:
        return channel.example(deadline)
    except ServiceError:
        return None
