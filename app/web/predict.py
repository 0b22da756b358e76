"""POST /predict: images in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.web.answers import encode_predictions
from app.web.bodies import media_type, read_body, request_timeout_s
from app.web.errors import UnsupportedMediaTypeError
from app.web.event_loop import give_way
from app.web.instances import decode_instances
from app.web.lean_flask import FinalResponse
from app.web.observing import STARTED
from app.web.plain_instances import Shape
from app.web.raw_pixels import decode_raw_pixels

if TYPE_CHECKING:
    from flask import Response

    from app.frames import Answer
    from app.web.channel import HostChannel


_Decoder = Callable[[bytes, Shape, int], tuple[int, bytes]]
"""Takes a body, the shape of an image and the most images; gives their number and pixels."""

_DECODERS: dict[str, _Decoder] = {
    "application/json": partial(decode_instances, pause=give_way),
    "application/octet-stream": decode_raw_pixels,
}


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
        environ = request.environ
        timeout_s = request_timeout_s(environ, timeout_ms)
        deadline = environ[STARTED] + timeout_s
        kind = media_type(environ)
        decode = _DECODERS.get(kind)
        if decode is None:
            found = f"is {kind[:80]}" if kind else "is missing"
            kinds = " or ".join(_DECODERS)
            raise UnsupportedMediaTypeError(f"Content-Type {found}; {kinds} is expected")
        body = read_body(environ, timeout_s, max_body_bytes)
        model = channel.serving(deadline, len(body))
        rows, pixels = decode(body, model.input_shape, max_images)
        prediction = channel.predict(rows, pixels, deadline)
        encoded = encode_predictions(prediction, channel.status.model)
        headers = [
            ("Content-Type", "application/json"),
            ("Server-Timing", _server_timing(prediction.answer)),
        ]
        return FinalResponse(encoded, headers)

    return blueprint


def _server_timing(answer: Answer) -> str:
    queue_ms, inference_ms = answer.queue_s * 1000, answer.inference_s * 1000
    return f"queue;dur={queue_ms:.3f}, inference;dur={inference_ms:.3f}"
