"""/v1/models/...: the routes of TensorFlow Serving's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request
from werkzeug.routing import BaseConverter

from app.web.api.tensorflow_serving.inference import Inference
from app.web.api.tensorflow_serving.paths import parse_request_path
from app.web.api.tensorflow_serving.status import ModelStatusView
from app.web.http.environ import ROUTE
from app.web.prediction.routes import TF_SERVING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Response
    from flask.blueprints import BlueprintSetupState

    from app.web.api.tensorflow_serving.paths import ParsedPath
    from app.web.prediction.predictor import Predictor

_WHICH = ("", "/versions/<version>", "/labels/<label>")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_RULES: dict[str, Iterable[str]] = {
    **dict.fromkeys(TF_SERVING, ("POST",)),
    **{f"/v1/models/<name>{which}": ("GET",) for which in _WHICH},
    **{f"/v1/models/<name>{which}/metadata": ("GET",) for which in _WHICH},
    "/v1/<rest:rest>": _METHODS,
    "/V1/<rest:rest>": _METHODS,
}
"""Route names for metrics; `parse_request_path` reads the path itself."""


class _Rest(BaseConverter):
    """The rest of a path, which may be empty."""

    regex = ".*"
    part_isolating = False


def _predicting(parsed: ParsedPath) -> str:
    of_model, of_version, of_label = TF_SERVING
    if parsed.label is not None:
        return of_label
    return of_model if parsed.version is None else of_version


def tf_serving_blueprint(
    predictor: Predictor,
    *,
    timeout_ms: int,
    max_images: int,
    max_body_bytes: int,
) -> Blueprint:
    """Build the routes.

    Args:
        predictor: Calls the model host.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("tf_serving", __name__)
    status_view = ModelStatusView(predictor, timeout_ms)
    inference = Inference(predictor, timeout_ms, max_images, max_body_bytes)
    handlers = {
        "predict": inference.predict,
        "classify": inference.refuse,
        "regress": inference.refuse,
        "status": status_view.status,
        "metadata": status_view.metadata,
    }

    def answer(**_parts: str) -> Response:
        parsed = parse_request_path(request.environ)
        if parsed.action == "predict":  # in metrics too, however the path was written
            request.environ[ROUTE] = _predicting(parsed)
        return handlers[parsed.action](parsed)

    @blueprint.record
    def prepare(state: BlueprintSetupState) -> None:
        state.app.url_map.converters["rest"] = _Rest

    for rule, methods in _RULES.items():
        # Without Flask's own answers: there, any other method is a malformed request.
        blueprint.add_url_rule(
            rule,
            None,
            answer,
            methods=methods,
            provide_automatic_options=False,
        )
    return blueprint
