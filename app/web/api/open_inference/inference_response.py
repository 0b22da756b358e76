"""Writes predictions in the protocol's form: in JSON, or as bytes behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from app.web.api.open_inference.files import LENGTH
from app.web.api.open_inference.inference_request import HEADER_LENGTH, OUTPUT
from app.web.http.buffered_response import BufferedResponse
from app.web.prediction.responses import server_timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.web.api.open_inference.inference_request import InferenceRequest
    from app.web.host_client.client import Prediction

_JSON = ("Content-Type", "application/json")
_BYTES = ("Content-Type", "application/octet-stream")


def write_response(
    request: InferenceRequest,
    prediction: Prediction,
    model: str,
    notes: Sequence[tuple[str, ...]] | None = None,
) -> BufferedResponse:
    """Answer a request.

    Args:
        request: Says how.
        prediction: What the model gave.
        model: Its name.
        notes: On each picture, what was done to it and what looks doubtful.
    """
    answer = prediction.answer
    headers = [("Server-Timing", server_timing(answer))]
    document: dict[str, Any] = {"model_name": model, "model_version": str(answer.version)}
    if request.id is not None:
        document["id"] = request.id
    if notes is not None:  # as text: a parameter is no list
        document["parameters"] = {"notes": orjson.dumps(notes).decode()}
    top = request.output.top
    output = _classification(prediction, top) if top else _probabilities(prediction)
    if not request.output.binary:
        document["outputs"] = [output]
        return BufferedResponse(_dump(document), [_JSON, *headers])
    data = output.pop("data")
    binary = _strings(data) if top else data.tobytes()
    document["outputs"] = [output | {"parameters": {"binary_data_size": len(binary)}}]
    text = _dump(document)
    return BufferedResponse(text + binary, [_BYTES, (HEADER_LENGTH, str(len(text))), *headers])


def _probabilities(prediction: Prediction) -> dict[str, Any]:
    probabilities = prediction.answer.probabilities
    return {
        "name": OUTPUT,
        "datatype": "FP32",
        "shape": list(probabilities.shape),
        "data": probabilities.ravel(),
    }


def _classification(prediction: Prediction, top: int) -> dict[str, Any]:
    """Return the likeliest classes of each image, as `probability:index:label`."""
    probabilities = prediction.answer.probabilities
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return {
        "name": OUTPUT,
        "datatype": "BYTES",
        "shape": list(best.shape),
        "data": [
            f"{probabilities[image, index]!s}:{index}:{prediction.classes[index]}"
            for image, indices in enumerate(best)
            for index in indices.tolist()
        ],
    }


def _strings(texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(LENGTH.pack(len(text)) + text for text in encoded)


def _dump(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
