"""Common predictions, without Flask: decoded, sent to the host and encoded on the event loop.

Only requests that are valid and quick are handled here. Everything else, and every unusual body, is
left to the Flask application, which is the reference.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

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
from app.web.prediction.responses import ANYTHING, predictions_response
from app.web.prediction.routes import GLYPH, OPEN_INFERENCE, TF_SERVING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ipc.status import LoadedModel, Shape
    from app.web.api.open_inference.inference_request import InferenceRequest
    from app.web.host_client.client import HostChannel, Prediction
    from app.web.http.buffered_response import BufferedResponse
    from app.web.prediction.canary import Traffic

_MOST_BYTES = 256 * 2**10
"""Of a body handled here: pixels of some 300 images. More would block the event loop."""
_MOST_JSON_BYTES = 128 * 2**10
"""Read within a millisecond or two."""
_MOST_PARSED_BYTES = 32 * 2**10
"""Of JSON in which every list and number becomes an object; read within as long."""
_MOST_NUMBERS = 4096
"""Of an answer: to write a model's thousand classes for hundreds of images takes far longer."""
_FEW_DIGITS = re.compile("[0-9]{1,6}")
_NAMED = r"/models/([A-Za-z0-9._-]+)(?:/versions/([1-9][0-9]{0,17}))?"
"""Other spellings of models and versions are left to Flask's routes."""

Environ = dict[str, Any]


class Protocol(Enum):
    """The API that a prediction is requested by."""

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


class DecodedImages(NamedTuple):
    """Images for the model host, and the writer of its answer."""

    rows: int
    pixels: bytes | memoryview
    render: Callable[[Prediction], BufferedResponse]


class ParsedRequest(NamedTuple):
    """A common request, parsed as far as possible without knowing the model."""

    deadline: float
    """Clock reading."""
    decode: Callable[[Shape], DecodedImages | None]
    """Takes the shape of an image; returns None if anything is unusual."""


class PathMatch(NamedTuple):
    """A prediction request, as its path names it."""

    protocol: Protocol
    model: str | None
    """None is the default model."""
    version: int
    """0 is the model's default version."""
    route: str
    """For metrics."""


class FastPath:
    """Answers common predictions on the event loop."""

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
            channel: Calls the model host.
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

    def match(self, environ: Environ) -> PathMatch | None:
        """Return the prediction that a common head requests, and note its route; else None."""
        matched = _match(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if matched is None or "HTTP_CONTENT_ENCODING" in environ or "%" in environ["RAW_URI"]:
            return None
        environ[ROUTE] = matched.route
        return matched

    async def answer(
        self, matched: PathMatch, environ: Environ, body: bytes
    ) -> BufferedResponse | None:
        """Answer a request; return None to leave it to Flask, which may answer with an error.

        Args:
            matched: The result of `match`.
            environ: The request's.
            body: All of it.
        """
        parsed = self._read(matched, environ, body)
        if parsed is None:
            return None
        try:
            model = self._channel.serving_now(matched.model, matched.version)
            if model is None:  # a thread that waited for it would be missing elsewhere
                model = await self._channel.serving(
                    parsed.deadline, len(body), model=matched.model, version=matched.version
                )
            decoded = _decode(parsed, model)
            if decoded is None:
                return None
            return decoded.render(await self._ask(matched, environ, decoded, parsed.deadline))
        except NotFoundError:
            return None  # each protocol has its own error for it
        except ServiceError as exc:
            return error_response(exc)

    async def _ask(
        self, matched: PathMatch, environ: Environ, decoded: DecodedImages, deadline: float
    ) -> Prediction:
        version, canary = matched.version, 0
        if not version:
            status = self._channel.model(matched.model)
            version = canary = self._traffic.choose(status, environ)
        return await self._channel.predict(
            decoded.rows,
            decoded.pixels,
            deadline,
            model=matched.model,
            version=version,
            or_default=canary > 0,
        )

    def _read(self, matched: PathMatch, environ: Environ, body: bytes) -> ParsedRequest | None:
        if len(body) > self._most_bytes:
            return None
        try:
            return self._readers[matched.protocol](matched, environ, body)
        except ServiceError:
            return None

    def _read_glyph(
        self, matched: PathMatch, environ: Environ, body: bytes
    ) -> ParsedRequest | None:
        if environ.get("QUERY_STRING") or environ.get("HTTP_ACCEPT", "") not in ANYTHING:
            return None
        kind = environ.get("CONTENT_TYPE")
        if kind == "application/json" and len(body) <= _MOST_JSON_BYTES:
            decode = self._decode_instances
        elif kind == "application/octet-stream":
            decode = self._decode_raw_pixels
        else:
            return None
        return ParsedRequest(self._deadline(environ), partial(decode, matched, body))

    def _decode_instances(
        self, matched: PathMatch, body: bytes, shape: Shape
    ) -> DecodedImages | None:
        plain = read_plain(body, shape, self._max_images)
        if plain is None:
            return None
        return DecodedImages(*plain, partial(predictions_response, model=self._name(matched)))

    def _decode_raw_pixels(self, matched: PathMatch, body: bytes, shape: Shape) -> DecodedImages:
        images = decode_raw_pixels(body, shape, self._max_images)
        render = partial(predictions_response, model=self._name(matched))
        return DecodedImages(images.rows, images.pixels, render)

    def _read_tf_serving(
        self, matched: PathMatch, environ: Environ, body: bytes
    ) -> ParsedRequest | None:
        if len(body) > _MOST_JSON_BYTES:
            return None
        return ParsedRequest(
            self._deadline(environ), partial(self._decode_tf_serving, matched, body)
        )

    def _decode_tf_serving(
        self, matched: PathMatch, body: bytes, shape: Shape
    ) -> DecodedImages | None:
        plain = read_plain_body(body, shape, self._max_images)
        if plain is None:
            return None
        key, rows, pixels = plain
        return DecodedImages(
            rows, pixels, partial(prediction_response, self._name(matched), key=key)
        )

    def _read_open_inference(
        self, matched: PathMatch, environ: Environ, body: bytes
    ) -> ParsedRequest | None:
        length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
        if length is not None and not _FEW_DIGITS.fullmatch(length):
            return None
        if (len(body) if length is None else int(length)) > _MOST_PARSED_BYTES:
            return None
        deadline = self._deadline(environ)
        inference = read_request(body, length)
        if (
            inference.input.datatype == FILES or inference.output.top
        ):  # to write classes as text is slow
            return None
        if inference.timeout_s:
            deadline = environ[STARTED] + inference.timeout_s
        return ParsedRequest(deadline, partial(self._decode_open_inference, matched, inference))

    def _decode_open_inference(
        self, matched: PathMatch, inference: InferenceRequest, shape: Shape
    ) -> DecodedImages:
        rows, pixels = read_pixels(inference.input, shape, self._max_images)
        return DecodedImages(
            rows, pixels, partial(write_response, inference, model=self._name(matched))
        )

    def _name(self, matched: PathMatch) -> str:
        return matched.model or self._channel.status.model

    def _deadline(self, environ: Environ) -> float:
        started: float = environ[STARTED]
        return started + request_timeout_s(environ, self._timeout_ms)


def _decode(parsed: ParsedRequest, model: LoadedModel) -> DecodedImages | None:
    try:
        decoded = parsed.decode(model.input_shape)
    except ServiceError:
        return None
    if decoded is not None and decoded.rows * len(model.classes) > _MOST_NUMBERS:
        return None
    return decoded


@lru_cache(maxsize=256)
def _match(path: str) -> PathMatch | None:
    if path == GLYPH[0]:
        return PathMatch(Protocol.GLYPH, None, 0, path)
    for protocol, pattern in _PATHS.items():
        found = pattern.fullmatch(path)
        if found is not None:
            name, version = found.groups()
            return PathMatch(
                protocol, name, int(version or 0), _ROUTES[protocol][version is not None]
            )
    return None
