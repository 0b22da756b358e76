"""POST /predict and its like for named models: images in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Blueprint, request

from app.ipc.status import Shape
from app.web.http.buffered_response import BufferedResponse
from app.web.http.environ import STARTED
from app.web.http.errors import UnsupportedMediaTypeError
from app.web.http.request_body import media_type, read_body, request_timeout_s
from app.web.inputs.images import Images, ReadPictures
from app.web.inputs.json_instances import decode_instances
from app.web.inputs.media_types import is_generic, kind_of, usual_name
from app.web.inputs.multipart import decode_form
from app.web.inputs.npy import decode_npy
from app.web.inputs.picture_reader import preparation_of
from app.web.inputs.raw import decode_raw_pixels
from app.web.prediction.lookup import version_number
from app.web.prediction.predictor import ModelRef
from app.web.prediction.query_options import PARAMETERS, USUAL, read_query
from app.web.prediction.responses import (
    ANYTHING,
    JSON,
    choose_form,
    encode_fields,
    encode_numbers,
    json_response,
    predictions_response,
    server_timing,
)
from app.web.prediction.routes import GLYPH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

    from app.ipc.status import LoadedModel
    from app.web.host_client.client import Prediction
    from app.web.inputs.images import Picture
    from app.web.inputs.picture_reader import PictureReader
    from app.web.prediction.predictor import Predictor
    from app.web.prediction.query_options import QueryOptions
    from imaging.preparation import Prepare

Environ = dict[str, Any]


_LEAVES_PIXELS = ("auto", "never")
"""Values of `prepare` with which an array of the model's size is no picture."""


def _read_pictures(  # noqa: PLR0917 - the first four are known before it is called
    reader: PictureReader,
    model: LoadedModel,
    prepare: Prepare,
    deadline: float,
    pictures: Sequence[Picture],
    name: Callable[[int], str] | None = None,
) -> Images:
    preparation = preparation_of(model, prepare)
    return Images(*reader.read(pictures, model.input_shape, preparation, deadline, name))


_Decoder = Callable[[bytes, Shape, int, ReadPictures], Images]
"""Takes a body, the shape of an image, the most images, and what reads pictures."""


def _decode_form(body: bytes, _shape: Shape, max_images: int, pictures: ReadPictures) -> Images:
    content_type = request.environ["CONTENT_TYPE"]
    return decode_form(body, content_type, max_images, pictures, reserved=PARAMETERS)


def _decode_picture(body: bytes, _shape: Shape, _most: int, pictures: ReadPictures) -> Images:
    return pictures([body])


DECODERS: dict[str, _Decoder] = {
    "application/json": decode_instances,
    "application/octet-stream": lambda body, shape, most, _: decode_raw_pixels(body, shape, most),
    "application/x-npy": decode_npy,
    "image/png": _decode_picture,
    "image/jpeg": _decode_picture,
    "image/webp": _decode_picture,
    "image/bmp": _decode_picture,
    "multipart/form-data": _decode_form,
}
"""Media type -> what reads a body of it."""


def predict_blueprint(
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
        reader: Decodes and prepares pictures.
        timeout_ms: Deadline of a request that names none.
        max_images: Bound on the images of one request.
        max_body_bytes: Bound on its body.
    """
    blueprint = Blueprint("predict", __name__)

    def predict(
        name: str | None = None, version: str | None = None, label: str | None = None
    ) -> Response:
        return answer(ModelRef(name, version_number(version) if version else 0, label))

    for rule in GLYPH:
        blueprint.add_url_rule(rule, None, predict, methods=("POST",))

    def answer(model_ref: ModelRef) -> Response:
        environ = request.environ
        timeout_s, decode, options, form = read_head(environ, timeout_ms)
        deadline = environ[STARTED] + timeout_s
        body = read_body(environ, max_body_bytes)
        decode = decode or _decoder_of(body, media_type(environ))
        if options.prepare not in _LEAVES_PIXELS and decode is decode_npy:
            decode = partial(decode_npy, always=True)

        def read(model: LoadedModel) -> Images:
            if options.top_k:
                options.check_classes(len(model.classes))
            pictures = partial(_read_pictures, reader, model, options.prepare, deadline)
            return decode(body, model.input_shape, max_images, pictures)

        model, images, prediction = predictor.read_and_predict(
            model_ref, read, deadline, environ, len(body)
        )
        name = predictor.name(model_ref)
        if form != JSON:
            return _numbers(prediction, name, form)
        if options is USUAL and images.notes is None:
            return predictions_response(prediction, name)
        chosen = _chosen(prediction, name, options, images, model.input_shape)
        return json_response(chosen, prediction)

    return blueprint


class Head(NamedTuple):
    """The parsed head of a request."""

    timeout_s: float
    decode: _Decoder | None
    """None where the content of the body must say what it is."""
    options: QueryOptions
    form: str
    """Media type of the answer."""


def read_head(environ: Environ, timeout_ms: int) -> Head:
    """Read the head of a request.

    Args:
        environ: The request's.
        timeout_ms: Deadline of a request that names none.

    Raises:
        ServiceError: If that is enough to refuse it; the class says why.
    """
    timeout_s = request_timeout_s(environ, timeout_ms)
    decode = DECODERS.get(environ.get("CONTENT_TYPE", "")) or _decoder(media_type(environ))
    query = environ.get("QUERY_STRING")
    options = read_query(query) if query else USUAL
    accept = environ.get("HTTP_ACCEPT", "")
    form = JSON if accept in ANYTHING else choose_form(accept, needs_json=options.needs_json)
    return Head(timeout_s, decode, options, form)


def _decoder(kind: str) -> _Decoder | None:
    """Return the decoder of a media type; None if the content decides."""
    if is_generic(kind):
        return None
    decode = DECODERS.get(usual_name(kind))
    if decode is None:
        raise _unsupported(kind)
    return decode


def _decoder_of(body: bytes, kind: str) -> _Decoder:
    found = kind_of(body)
    if found is None:
        raise _unsupported(kind)
    return DECODERS[found]


def _unsupported(kind: str) -> UnsupportedMediaTypeError:
    found = f"is {kind[:80]}" if kind else "is missing"
    *others, last = DECODERS
    kinds = f"{', '.join(others)} or {last}"
    return UnsupportedMediaTypeError(f"Content-Type {found}; {kinds} is expected")


def _chosen(
    prediction: Prediction, model: str, options: QueryOptions, images: Images, shape: Shape
) -> bytes:
    fields = options.fields_of(pictures=images.notes is not None)
    return encode_fields(
        prediction, model, fields=fields, top_k=options.top_k, images=images, shape=shape
    )


def _numbers(prediction: Prediction, model: str, form: str) -> Response:
    answer = prediction.answer
    headers = [
        ("Content-Type", form),
        ("Server-Timing", server_timing(answer)),
        ("Glyph-Model", model),
        ("Glyph-Version", str(answer.version)),
    ]
    return BufferedResponse(encode_numbers(answer.probabilities, form), headers)
