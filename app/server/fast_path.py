"""The usual predictions, without Flask: decoded, asked and encoded on the event loop.

What is taken here is of a kind that cannot be wrong and cannot take long. Everything else, and
every body in which anything is unusual, is left to the Flask application, which is the reference.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from app.web.api.native.predict import usual_response
from app.web.api.open_inference.files import FILES
from app.web.api.open_inference.inference_request import read_request
from app.web.api.open_inference.inference_response import write_response
from app.web.api.open_inference.tensors import read_pixels
from app.web.api.tensorflow_serving.inference import prediction_response
from app.web.api.tensorflow_serving.plain_bodies import read_plain_body
from app.web.http.environ import ROUTE, STARTED
from app.web.http.error_handlers import error_response
from app.web.http.errors import NotFoundError, ServiceError
from app.web.http.request_body import request_timeout_s
from app.web.inputs.json_fast_path import read_plain
from app.web.inputs.raw import decode_raw_pixels
from app.web.prediction.responses import ANYTHING
from app.web.prediction.routes import GLYPH, OPEN_INFERENCE, TF_SERVING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ipc.status import LoadedModel, Shape
    from app.web.api.open_inference.inference_request import InferenceRequest
    from app.web.host_client.client import HostChannel, Prediction
    from app.web.http.buffered_response import FinalResponse
    from app.web.prediction.canary import Traffic

_MOST_BYTES = 256 * 2**10
"""Of a body that is taken here: pixels of some 300 images. More would hold up the event loop."""
_MOST_JSON_BYTES = 128 * 2**10
"""Read within a millisecond or two."""
_MOST_PARSED_BYTES = 32 * 2**10
"""Of JSON in which every list and number becomes an object; read within as long."""
_MOST_NUMBERS = 4096
"""Of an answer: to write a model's thousand classes for hundreds of images takes far longer."""
_FEW_DIGITS = re.compile("[0-9]{1,6}")
_NAMED = r"/models/([A-Za-z0-9._-]+)(?:/versions/([1-9][0-9]{0,17}))?"
"""Models and versions that are written otherwise are left to Flask's routes."""

Environ = dict[str, Any]


class Protocol(Enum):
    """How a prediction is asked for and told."""

    GLYPH = auto()
    TF_SERVING = auto()
    OPEN_INFERENCE = auto()


_PATHS = {
    Protocol.GLYPH: re.compile(f"{_NAMED}/predict"),
    Protocol.TF_SERVING: re.compile(f"/v1{_NAMED}:predict"),
    Protocol.OPEN_INFERENCE: re.compile(f"/v2{_NAMED}/infer"),
}
_ROUTES = {
    Protocol.GLYPH: GLYPH[1:],
    Protocol.TF_SERVING: TF_SERVING,
    Protocol.OPEN_INFERENCE: OPEN_INFERENCE,
}
"""The route of a model, and that of one of its versions."""


class Question(NamedTuple):
    """Images for the model host, and how its answer is told."""

    rows: int
    pixels: bytes | memoryview
    render: Callable[[Prediction], FinalResponse]


class Reading(NamedTuple):
    """A request that is usual as far as it can be read without knowing the model."""

    deadline: float
    """Clock reading."""
    decode: Callable[[Shape], Question | None]
    """Takes the shape of an image; gives None where something is unusual."""


class Usual(NamedTuple):
    """A prediction that a path asks for."""

    protocol: Protocol
    model: str | None
    """None is the default model."""
    version: int
    """0 is the model's default version."""
    route: str
    """For metrics."""


class FastPath:
    """Answers the usual predictions on the event loop."""

    def __init__(
        self,
        channel: HostChannel,
        traffic: Traffic,
        *,
        timeout_ms: int,
        max_images: int,
        max_body_bytes: int,
    ) -> None:
        """Create one.

        Args:
            channel: Asks the model host.
            traffic: Sends a share of the requests for a default version to the canary.
            timeout_ms: Deadline of a request that names none.
            max_images: Bound on the images of one request.
            max_body_bytes: Bound on its body.
        """
        self._channel = channel
        self._traffic = traffic
        self._timeout_ms = timeout_ms
        self._max_images = max_images
        self._most_bytes = min(_MOST_BYTES, max_body_bytes)
        self._readers = {
            Protocol.GLYPH: self._read_glyph,
            Protocol.TF_SERVING: self._read_tf_serving,
            Protocol.OPEN_INFERENCE: self._read_open_inference,
        }

    def match(self, environ: Environ) -> Usual | None:
        """Return what a request asks for, if its head is usual; notes the route then."""
        usual = _match(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if usual is None or "HTTP_CONTENT_ENCODING" in environ or "%" in environ["RAW_URI"]:
            return None
        environ[ROUTE] = usual.route
        return usual

    async def answer(self, usual: Usual, environ: Environ, body: bytes) -> FinalResponse | None:
        """Answer a request; None where it is left to Flask, which may say what is wrong with it.

        Args:
            usual: What its path and head ask for.
            environ: The request's.
            body: All of it.
        """
        reading = self._read(usual, environ, body)
        if reading is None:
            return None
        try:
            model = self._channel.serving_now(usual.model, usual.version)
            if model is None:  # a thread that waited for it would be missing elsewhere
                model = await self._channel.serving(
                    reading.deadline, len(body), model=usual.model, version=usual.version
                )
            question = _decode(reading, model)
            if question is None:
                return None
            return question.render(await self._ask(usual, environ, question, reading.deadline))
        except NotFoundError:
            return None  # each protocol tells so in its own words
        except ServiceError as exc:
            return error_response(exc)

    async def _ask(
        self, usual: Usual, environ: Environ, question: Question, deadline: float
    ) -> Prediction:
        version, canary = usual.version, 0
        if not version:
            status = self._channel.model(usual.model)
            version = canary = self._traffic.choose(status, environ)
        return await self._channel.predict(
            question.rows,
            question.pixels,
            deadline,
            model=usual.model,
            version=version,
            or_default=canary > 0,
        )

    def _read(self, usual: Usual, environ: Environ, body: bytes) -> Reading | None:
        if len(body) > self._most_bytes:
            return None
        try:
            return self._readers[usual.protocol](usual, environ, body)
        except ServiceError:
            return None

    def _read_glyph(self, usual: Usual, environ: Environ, body: bytes) -> Reading | None:
        if environ.get("QUERY_STRING") or environ.get("HTTP_ACCEPT", "") not in ANYTHING:
            return None
        kind = environ.get("CONTENT_TYPE")
        if kind == "application/json" and len(body) <= _MOST_JSON_BYTES:
            decode = self._decode_instances
        elif kind == "application/octet-stream":
            decode = self._decode_raw_pixels
        else:
            return None
        return Reading(self._deadline(environ), partial(decode, usual, body))

    def _decode_instances(self, usual: Usual, body: bytes, shape: Shape) -> Question | None:
        plain = read_plain(body, shape, self._max_images)
        if plain is None:
            return None
        return Question(*plain, partial(usual_response, model=self._name(usual)))

    def _decode_raw_pixels(self, usual: Usual, body: bytes, shape: Shape) -> Question:
        images = decode_raw_pixels(body, shape, self._max_images)
        render = partial(usual_response, model=self._name(usual))
        return Question(images.rows, images.pixels, render)

    def _read_tf_serving(self, usual: Usual, environ: Environ, body: bytes) -> Reading | None:
        if len(body) > _MOST_JSON_BYTES:
            return None
        return Reading(self._deadline(environ), partial(self._decode_tf_serving, usual, body))

    def _decode_tf_serving(self, usual: Usual, body: bytes, shape: Shape) -> Question | None:
        plain = read_plain_body(body, shape, self._max_images)
        if plain is None:
            return None
        key, rows, pixels = plain
        return Question(rows, pixels, partial(prediction_response, self._name(usual), key=key))

    def _read_open_inference(self, usual: Usual, environ: Environ, body: bytes) -> Reading | None:
        length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
        if length is not None and not _FEW_DIGITS.fullmatch(length):
            return None
        if (len(body) if length is None else int(length)) > _MOST_PARSED_BYTES:
            return None
        deadline = self._deadline(environ)
        asked = read_request(body, length)
        if asked.input.datatype == FILES or asked.wanted.top:  # to write classes as text is slow
            return None
        if asked.timeout_s:
            deadline = environ[STARTED] + asked.timeout_s
        return Reading(deadline, partial(self._decode_open_inference, usual, asked))

    def _decode_open_inference(
        self, usual: Usual, asked: InferenceRequest, shape: Shape
    ) -> Question:
        rows, pixels = read_pixels(asked.input, shape, self._max_images)
        return Question(rows, pixels, partial(write_response, asked, model=self._name(usual)))

    def _name(self, usual: Usual) -> str:
        return usual.model or self._channel.status.model

    def _deadline(self, environ: Environ) -> float:
        started: float = environ[STARTED]
        return started + request_timeout_s(environ, self._timeout_ms)


def _decode(reading: Reading, model: LoadedModel) -> Question | None:
    try:
        question = reading.decode(model.input_shape)
    except ServiceError:
        return None
    if question is not None and question.rows * len(model.classes) > _MOST_NUMBERS:
        return None
    return question


@lru_cache(maxsize=256)
def _match(path: str) -> Usual | None:
    if path == GLYPH[0]:
        return Usual(Protocol.GLYPH, None, 0, path)
    for protocol, pattern in _PATHS.items():
        found = pattern.fullmatch(path)
        if found is not None:
            name, version = found.groups()
            return Usual(protocol, name, int(version or 0), _ROUTES[protocol][version is not None])
    return None
