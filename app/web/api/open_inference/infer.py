"""POST /v2/models/<name>[/versions/<version>]/infer: one tensor of images in, one tensor out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.web.api.open_inference.files import FILES, name_of, read_files
from app.web.api.open_inference.inference_request import read_request
from app.web.api.open_inference.inference_response import write_response
from app.web.api.open_inference.tensors import read_pixels
from app.web.http.environ import STARTED
from app.web.http.request_body import read_body, request_timeout_s
from app.web.inputs.images import Images
from app.web.inputs.picture_reader import preparation_of
from app.web.prediction.lookup import version_number
from app.web.prediction.predictor import ModelRef
from app.web.prediction.routes import OPEN_INFERENCE

if TYPE_CHECKING:
    from flask import Response

    from app.ipc.status import LoadedModel
    from app.web.inputs.picture_reader import PictureReader
    from app.web.prediction.predictor import Predictor


def infer_blueprint(
    predictor: Predictor,
    reader: PictureReader,
    *,
    timeout_ms: int,
    max_images: int,
    max_body_bytes: int,
) -> Blueprint:
    """Build the routes.

    Args:
        predictor: Calls the model host.
        reader: Reads pictures.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("infer", __name__)

    def infer(name: str, version: str | None = None) -> Response:
        return answer(ModelRef(name, version_number(version) if version else 0))

    for rule in OPEN_INFERENCE:
        blueprint.add_url_rule(rule, None, infer, methods=("POST",))

    def answer(model_ref: ModelRef) -> Response:
        environ = request.environ
        timeout_s = request_timeout_s(environ, timeout_ms)
        body = read_body(environ, max_body_bytes)
        inference = read_request(body, environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH"))
        deadline = environ[STARTED] + (inference.timeout_s or timeout_s)

        def read(model: LoadedModel) -> Images:
            shape = model.input_shape
            if inference.input.datatype != FILES:
                return Images(*read_pixels(inference.input, shape, max_images))
            files = read_files(inference.input, max_images)
            preparation = preparation_of(model, inference.prepare)
            return Images(*reader.read(files, shape, preparation, deadline, name_of))

        _, images, prediction = predictor.read_and_predict(
            model_ref, read, deadline, environ, len(body)
        )
        return write_response(inference, prediction, predictor.name(model_ref), images.notes)

    return blueprint
