"""POST /predict: images in, classes and probabilities out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request

from app.web.answers import encode_predictions
from app.web.bodies import read_json_body, request_timeout_s
from app.web.instances import decode_instances

if TYPE_CHECKING:
    from app.frames import Answer
    from app.web.channel import HostChannel


def predict_blueprint(
    channel: HostChannel, *, timeout_ms: int, max_images: int, max_body_bytes: int
) -> Blueprint:
    """Build the route.

    Args:
        channel: Asks the model host.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("predict", __name__)

    @blueprint.post("/predict")
    def predict() -> Response:
        timeout_s = request_timeout_s(request, timeout_ms)
        deadline = g.started + timeout_s
        body = read_json_body(request, timeout_s, max_body_bytes)
        model = channel.serving(deadline)
        rows, pixels = decode_instances(body, model.input_shape, max_images)
        prediction = channel.predict(rows, pixels, deadline)
        encoded = encode_predictions(prediction, channel.status.model)
        headers = {"Server-Timing": _server_timing(prediction.answer)}
        return Response(encoded, mimetype="application/json", headers=headers)

    return blueprint


def _server_timing(answer: Answer) -> str:
    queue_ms, inference_ms = answer.queue_s * 1000, answer.inference_s * 1000
    return f"queue;dur={queue_ms:.3f}, inference;dur={inference_ms:.3f}"
