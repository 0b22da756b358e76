"""POST /predict and its like for named models: images in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from app.web.answers import encode_predictions
from app.web.bodies import media_type, read_body, request_timeout_s
from app.web.errors import NotFoundError, UnsupportedMediaTypeError
from app.web.event_loop import give_way
from app.web.instances import decode_instances
from app.web.lean_flask import FinalResponse
from app.web.lookup import find_label, version_number
from app.web.observing import STARTED
from app.web.plain_instances import Shape
from app.web.raw_pixels import decode_raw_pixels

if TYPE_CHECKING:
    from flask import Response

    from app.frames import Answer
    from app.web.channel import HostChannel, Prediction
    from app.web.traffic import Traffic


_Decoder = Callable[[bytes, Shape, int], tuple[int, bytes]]
"""Takes a body, the shape of an image and the most images; gives their number and pixels."""

_DECODERS: dict[str, _Decoder] = {
    "application/json": partial(decode_instances, pause=give_way),
    "application/octet-stream": decode_raw_pixels,
}


def predict_blueprint(
    channel: HostChannel,
    traffic: Traffic,
    *,
    timeout_ms: int,
    max_images: int,
    max_body_bytes: int,
) -> Blueprint:
    """Build the routes.

    Args:
        channel: Asks the model host.
        traffic: Sends a share of the requests for a default version to the canary.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("predict", __name__)

    @blueprint.post("/predict")
    @blueprint.post("/models/<name>/predict")
    def of_default(name: str | None = None) -> Response:
        environ = request.environ
        rows, pixels, deadline = _images(environ, name)
        model = channel.model(name)
        canary = traffic.choose(model, environ)
        prediction = channel.predict(
            rows, pixels, deadline, model=name, version=canary, or_default=canary > 0
        )
        return _response(prediction, model.name)

    @blueprint.post("/models/<name>/versions/<version>/predict")
    def of_version(name: str, version: str) -> Response:
        number = version_number(version)
        rows, pixels, deadline = _images(request.environ, name, lambda: number)
        prediction = channel.predict(rows, pixels, deadline, model=name, version=number)
        return _response(prediction, name)

    @blueprint.post("/models/<name>/labels/<label>/predict")
    def of_label(name: str, label: str) -> Response:
        def labelled() -> int:
            return find_label(channel.model(name), label)

        rows, pixels, deadline = _images(request.environ, name, labelled)
        ask = partial(channel.predict, rows, pixels, deadline, model=name)
        number = labelled()
        try:
            prediction = ask(version=number)
        except NotFoundError:  # the label moved on, and what it was on is gone
            if labelled() == number:
                raise
            prediction = ask(version=labelled())
        return _response(prediction, name)

    def _images(
        environ: dict[str, Any], name: str | None, version: Callable[[], int] | None = None
    ) -> tuple[int, bytes, float]:
        """Read and check a request; also gives its deadline."""
        timeout_s = request_timeout_s(environ, timeout_ms)
        deadline = environ[STARTED] + timeout_s
        decode = _decoder(environ)
        body = read_body(environ, timeout_s, max_body_bytes)
        model = channel.serving(deadline, len(body), model=name)
        if version is not None:
            model = channel.serving(deadline, model=name, version=version())
        rows, pixels = decode(body, model.input_shape, max_images)
        return rows, pixels, deadline

    return blueprint


def _decoder(environ: dict[str, Any]) -> _Decoder:
    kind = media_type(environ)
    decode = _DECODERS.get(kind)
    if decode is None:
        found = f"is {kind[:80]}" if kind else "is missing"
        kinds = " or ".join(_DECODERS)
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
