"""POST /predict and its like for named models: images in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from app.status import Shape
from app.web.answers import encode_predictions
from app.web.bodies import media_type, read_body, request_timeout_s
from app.web.encodings.instances import decode_instances
from app.web.encodings.npy import decode_npy
from app.web.encodings.raw_pixels import decode_raw_pixels
from app.web.errors import UnsupportedMediaTypeError
from app.web.event_loop import give_way
from app.web.lean_flask import FinalResponse
from app.web.lookup import version_number
from app.web.observing import STARTED
from app.web.predictor import DEFAULT, Target

if TYPE_CHECKING:
    from flask import Response

    from app.frames import Answer
    from app.web.channel import Prediction
    from app.web.predictor import Predictor

_Decoder = Callable[[bytes, Shape, int], tuple[int, bytes]]
"""Takes a body, the shape of an image and the most images; gives their number and pixels."""

_DECODERS: dict[str, _Decoder] = {
    "application/json": partial(decode_instances, pause=give_way),
    "application/octet-stream": decode_raw_pixels,
    "application/x-npy": decode_npy,
}


def predict_blueprint(
    predictor: Predictor,
    *,
    timeout_ms: int,
    max_images: int,
    max_body_bytes: int,
) -> Blueprint:
    """Build the routes.

    Args:
        predictor: Asks the model host.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("predict", __name__)

    @blueprint.post("/predict")
    def of_default_model() -> Response:
        return answer(DEFAULT)

    @blueprint.post("/models/<name>/predict")
    def of_model(name: str) -> Response:
        return answer(Target(name))

    @blueprint.post("/models/<name>/versions/<version>/predict")
    def of_version(name: str, version: str) -> Response:
        return answer(Target(name, version_number(version)))

    @blueprint.post("/models/<name>/labels/<label>/predict")
    def of_label(name: str, label: str) -> Response:
        return answer(Target(name, label=label))

    def answer(target: Target) -> Response:
        environ = request.environ
        timeout_s = request_timeout_s(environ, timeout_ms)
        deadline = environ[STARTED] + timeout_s
        decode = _decoder(environ)
        body = read_body(environ, timeout_s, max_body_bytes)
        model = predictor.serving(target, deadline, len(body))
        rows, pixels = decode(body, model.input_shape, max_images)
        prediction = predictor.predict(target, rows, pixels, deadline, environ)
        return _response(prediction, predictor.name(target))

    return blueprint


def _decoder(environ: dict[str, Any]) -> _Decoder:
    kind = media_type(environ)
    decode = _DECODERS.get(kind)
    if decode is None:
        found = f"is {kind[:80]}" if kind else "is missing"
        *others, last = _DECODERS
        kinds = f"{', '.join(others)} or {last}"
        raise UnsupportedMediaTypeError(f"Content-Type {found}; {kinds} is expected")
    return decode


def _response(prediction: Prediction, model: str) -> Response:
    encoded = encode_predictions(prediction, model)
    headers = [
        ("Content-Type", "application/json"),
        ("Server-Timing", _server_timing(prediction.answer)),
    ]
    return FinalResponse(encoded, headers)


def _server_timing(answer: Answer) -> str:
    queue_ms, inference_ms = answer.queue_s * 1000, answer.inference_s * 1000
    return f"queue;dur={queue_ms:.3f}, inference;dur={inference_ms:.3f}"
