"""The usual predictions, without Flask: decoded, asked and encoded on the event loop.

What is taken here is of a kind that cannot be wrong and cannot take long. Everything else, and
every body in which anything is unusual, is left to the Flask application, which is the reference.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from app.web.answers import ANYTHING
from app.web.bodies import request_timeout_s
from app.web.encodings.plain_instances import read_plain
from app.web.encodings.raw_pixels import decode_raw_pixels
from app.web.errors import NotFoundError, ServiceError
from app.web.observing import ROUTE, STARTED
from app.web.open_inference.files import FILES
from app.web.open_inference.inference_request import read_request
from app.web.open_inference.inference_response import write_response
from app.web.open_inference.tensors import read_pixels
from app.web.predict import usual_response
from app.web.prediction_routes import GLYPH, OPEN_INFERENCE, TF_SERVING
from app.web.tf_serving.inference import prediction_response
from app.web.tf_serving.plain_bodies import read_plain_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.status import LoadedModel, Shape
    from app.web.channel import HostChannel, Prediction
    from app.web.final_response import FinalResponse
    from app.web.traffic import Traffic

_MOST_BYTES = 256 * 2**10
"""Of a body that is taken here: pixels of some 300 images. More would hold up the event loop."""
_MOST_JSON_BYTES = 128 * 2**10
"""Read within a millisecond."""
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
    deadline: float
    """Clock reading."""
    render: Callable[[Prediction], FinalResponse]


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
        self._decoders = {
            Protocol.GLYPH: self._decode_glyph,
            Protocol.TF_SERVING: self._decode_tf_serving,
            Protocol.OPEN_INFERENCE: self._decode_open_inference,
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
        if len(body) > self._most_bytes:
            return None
        decode = self._decoders[usual.protocol]
        try:
            model = self._channel.serving_now(usual.model, usual.version)
            if model is None:
                model = await self._serving(usual, environ, len(body))
            question = decode(usual, environ, body, model.input_shape)
        except ServiceError:
            return None
        if question is None:
            return None
        try:
            return question.render(await self._ask(usual, environ, question))
        except NotFoundError:
            return None  # it has gone meanwhile, and each protocol tells so in its own words
        except ServiceError as exc:
            return exc.response()

    async def _serving(self, usual: Usual, environ: Environ, size: int) -> LoadedModel:
        """Wait for a version here: a thread that did would be missing elsewhere."""
        deadline = self._deadline(environ)
        return await self._channel.serving(deadline, size, model=usual.model, version=usual.version)

    async def _ask(self, usual: Usual, environ: Environ, question: Question) -> Prediction:
        version, canary = usual.version, 0
        if not version:
            status = self._channel.model(usual.model)
            version = canary = self._traffic.choose(status, environ)
        return await self._channel.predict(
            question.rows,
            question.pixels,
            question.deadline,
            model=usual.model,
            version=version,
            or_default=canary > 0,
        )

    def _decode_glyph(
        self, usual: Usual, environ: Environ, body: bytes, shape: Shape
    ) -> Question | None:
        if environ.get("QUERY_STRING") or environ.get("HTTP_ACCEPT", "") not in ANYTHING:
            return None
        kind = environ.get("CONTENT_TYPE")
        if kind == "application/json" and len(body) <= _MOST_JSON_BYTES:
            plain = read_plain(body, shape, self._max_images)
        elif kind == "application/octet-stream":
            plain = decode_raw_pixels(body, shape, self._max_images)[:2]
        else:
            return None
        if plain is None:
            return None
        render = partial(usual_response, model=self._name(usual))
        return Question(*plain, self._deadline(environ), render)

    def _decode_tf_serving(
        self, usual: Usual, environ: Environ, body: bytes, shape: Shape
    ) -> Question | None:
        if len(body) > _MOST_JSON_BYTES:
            return None
        plain = read_plain_body(body, shape, self._max_images)
        if plain is None:
            return None
        key, images = plain
        render = partial(prediction_response, self._name(usual), key=key)
        return Question(*images, self._deadline(environ), render)

    def _decode_open_inference(
        self, usual: Usual, environ: Environ, body: bytes, shape: Shape
    ) -> Question | None:
        length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
        if length is None and len(body) > _MOST_JSON_BYTES:
            return None
        asked = read_request(body, length)
        if asked.input.datatype == FILES:
            return None
        deadline = self._deadline(environ)
        if asked.timeout_s:
            deadline = environ[STARTED] + asked.timeout_s
        rows, pixels = read_pixels(asked.input, shape, self._max_images)
        render = partial(write_response, asked, model=self._name(usual))
        return Question(rows, pixels, deadline, render)

    def _name(self, usual: Usual) -> str:
        return usual.model or self._channel.status.model

    def _deadline(self, environ: Environ) -> float:
        started: float = environ[STARTED]
        return started + request_timeout_s(environ, self._timeout_ms)


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
