"""Handles POST: predictions, and errors for methods that the signature does not support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from app.web.api.tensorflow_serving.decoding import decode_images, signature_of
from app.web.api.tensorflow_serving.documents import parse_object
from app.web.api.tensorflow_serving.errors import InvalidArgumentError, TfServingError
from app.web.api.tensorflow_serving.responses import METHOD, encode_outputs
from app.web.api.tensorflow_serving.tensors import SIGNATURE
from app.web.http.buffered_response import BufferedResponse
from app.web.http.environ import STARTED
from app.web.http.errors import NotFoundError
from app.web.http.json_parsing import describe
from app.web.http.request_body import read_body, request_timeout_s
from app.web.prediction.responses import server_timing

if TYPE_CHECKING:
    from flask import Response

    from app.ipc.status import LoadedModel
    from app.web.api.tensorflow_serving.paths import ParsedPath
    from app.web.host_client.client import Prediction
    from app.web.prediction.predictor import Predictor

_KINDS = {"classify": "classification", "regress": "regression"}


class Inference:
    """Handles the inference methods."""

    def __init__(
        self, predictor: Predictor, timeout_ms: int, max_images: int, max_body_bytes: int
    ) -> None:
        self._predictor = predictor
        self._timeout_ms = timeout_ms
        self._max_images = max_images
        self._max_body_bytes = max_body_bytes

    def predict(self, parsed: ParsedPath) -> Response:
        """Answer `:predict`.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        deadline, body = self._receive()
        model = self._serving(parsed, deadline, body)
        key, rows, pixels = decode_images(body, model.input_shape, self._max_images)
        try:
            prediction = self._predictor.predict(
                parsed.model_ref, rows, pixels, deadline, request.environ
            )
        except NotFoundError:  # it has gone meanwhile
            raise parsed.unknown() from None
        return prediction_response(parsed.model, prediction, key)

    def refuse(self, parsed: ParsedPath) -> Response:
        """Reject `:classify` and `:regress`: the signature supports `:predict` only.

        Raises:
            ServiceError: Always.
        """
        deadline, body = self._receive()
        document = parse_object(body)
        name = signature_of(document)
        _check_examples(document)
        self._serving(parsed, deadline, body)
        if name != SIGNATURE:
            raise InvalidArgumentError(f"No signature was found with the name: {name}")
        raise InvalidArgumentError(
            f"Expected {_KINDS[parsed.action]} signature method_name to be "
            f"{METHOD % parsed.action}. Was: {METHOD % 'predict'}"
        )

    def _receive(self) -> tuple[float, bytes]:
        """Read the body, whatever its Content-Type; return the deadline and the body."""
        environ = request.environ
        timeout_s = request_timeout_s(environ, self._timeout_ms)
        body = read_body(environ, self._max_body_bytes)
        return environ[STARTED] + timeout_s, body

    def _serving(self, parsed: ParsedPath, deadline: float, body: bytes) -> LoadedModel:
        try:
            return self._predictor.serving(parsed.model_ref, deadline, len(body))
        except (NotFoundError, TfServingError):
            signature_of(parse_object(body))  # there, what is wrong with it is found first
            raise parsed.unknown() from None


def _check_examples(document: dict[str, Any]) -> None:
    examples = document.get("examples")
    if not examples or not isinstance(examples, list):
        found = f"examples is {describe(examples)}" if "examples" in document else "no examples"
        raise InvalidArgumentError(f"{found}; a list of objects is expected")
    for index, example in enumerate(examples):
        if not isinstance(example, dict):
            found = f"example {index} is {describe(example)}"
            raise InvalidArgumentError(f"{found}; an object is expected")


def prediction_response(model: str, prediction: Prediction, key: str) -> BufferedResponse:
    """Answer `:predict`.

    Args:
        model: Its name.
        prediction: Of the images.
        key: What they stood at in the request, `instances` or `inputs`.
    """
    answer = prediction.answer
    headers = [
        ("Content-Type", "application/json"),
        ("Glyph-Model", model),
        ("Glyph-Version", str(answer.version)),
        ("Server-Timing", server_timing(answer)),
    ]
    return BufferedResponse(encode_outputs(answer.probabilities, key), headers)
