"""Writes predictions: as JSON, or the probabilities alone as NumPy's format or raw numbers."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from app.web.http.buffered_response import BufferedResponse
from app.web.http.errors import NotAcceptableError
from app.web.prediction.query_options import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.ipc.frames import Answer
    from app.ipc.status import Shape
    from app.web.host_client.client import Prediction
    from app.web.inputs.images import Images

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
ANYTHING = ("*/*", "", JSON)
"""What an Accept header mostly is, if there is one: JSON will do."""
_LONGEST_ACCEPT = 1024
"""Browsers' have some 200 letters; each takes a µs or two to read."""
_JSON = ("Content-Type", JSON)
_SHORT_Q = re.compile(r"\bq=\.")  # Java's own client writes q=.2


def choose_form(accept: str, *, needs_json: bool) -> str:
    """Choose the media type of a response.

    Args:
        accept: The request's header; `ANYTHING` is handled by the caller.
        needs_json: Whether only JSON can hold the requested fields.

    Raises:
        NotAcceptableError: If none of those that there are is wanted.
    """
    forms = (JSON,) if needs_json else (JSON, NPY, RAW)
    if len(accept) > _LONGEST_ACCEPT:
        raise NotAcceptableError(f"Accept is longer than {_LONGEST_ACCEPT} characters")
    wanted = parse_accept_header(_SHORT_Q.sub("q=0.", accept), MIMEAccept)
    plain = MIMEAccept([(media_type.partition(";")[0], q) for media_type, q in wanted])
    found = plain.best_match(forms)
    if found is None:
        there = ", ".join(forms) + (" (with top_k or fields)" if needs_json else "")
        raise NotAcceptableError(f"Accept {accept[:80]!r} is not supported; supported: {there}")
    return found


def predictions_response(prediction: Prediction, model: str) -> BufferedResponse:
    """Create the response to a request without options."""
    return json_response(encode_predictions(prediction, model), prediction)


def json_response(encoded: bytes, prediction: Prediction) -> BufferedResponse:
    """Create the response with an encoded prediction, and its times."""
    return BufferedResponse(encoded, [_JSON, ("Server-Timing", server_timing(prediction.answer))])


def encode_predictions(prediction: Prediction, model: str) -> bytes:
    """Write probabilities with their classes, and the version that computed them.

    Numbers are written as float32: the shortest decimals that give the same 32 bits.
    """
    answer = prediction.answer
    best = answer.probabilities.argmax(axis=1)
    predictions = [
        {
            "label": prediction.classes[index],
            "class": index,
            "probability": probabilities[index],
            "probabilities": probabilities,
        }
        for index, probabilities in zip(best.tolist(), answer.probabilities, strict=True)
    ]
    return _document(predictions, model, answer.version)


def encode_fields(
    prediction: Prediction,
    model: str,
    *,
    fields: frozenset[str],
    top_k: int,
    images: Images,
    shape: Shape,
) -> bytes:
    """Write the requested fields of each prediction.

    Args:
        prediction: Of these images.
        model: Its name.
        fields: Of `query.FIELDS`.
        top_k: How many of the likeliest classes are in `top`; 0 is all.
        images: Model input, and the notes on it.
        shape: Rows, columns and channels of one image; a single channel is left out.
    """
    answer, classes = prediction.answer, prediction.classes
    best = answer.probabilities.argmax(axis=1).tolist()
    notes = images.notes or ((),) * images.rows
    pixels = np.frombuffer(images.pixels, np.uint8).reshape(
        images.rows, *(shape if shape[2] > 1 else shape[:2])
    )
    write: dict[str, Callable[[int], Any]] = {
        "label": lambda row: classes[best[row]],
        "class": lambda row: best[row],
        "probability": lambda row: answer.probabilities[row, best[row]],
        "probabilities": lambda row: answer.probabilities[row],
        "top": lambda row: _top(answer.probabilities[row], classes, top_k),
        "notes": lambda row: notes[row],
        "pixels": lambda row: pixels[row],
    }
    chosen = [(name, write[name]) for name in FIELDS if name in fields]
    predictions = [{name: of(row) for name, of in chosen} for row in range(images.rows)]
    return _document(predictions, model, answer.version)


def encode_numbers(probabilities: NDArray[np.float32], form: str) -> bytes:
    """Write float32 probabilities, little-endian, row-major.

    Args:
        probabilities: Shape (images, classes).
        form: `NPY`, which says the shape, or `RAW`.
    """
    numbers = probabilities.astype("<f4", copy=False)
    if form == RAW:
        return numbers.tobytes()
    file = io.BytesIO()
    np.lib.format.write_array(file, numbers, allow_pickle=False)
    return file.getvalue()


def _top(
    probabilities: NDArray[np.float32], classes: Sequence[str], top_k: int
) -> list[dict[str, Any]]:
    order = np.argsort(-probabilities, kind="stable")[: top_k or None]
    return [
        {"label": classes[index], "class": index, "probability": probabilities[index]}
        for index in order.tolist()
    ]


def server_timing(answer: Answer) -> str:
    """Return the Server-Timing header, in milliseconds."""
    queue_ms, inference_ms = answer.queue_s * 1000, answer.inference_s * 1000
    return f"queue;dur={queue_ms:.3f}, inference;dur={inference_ms:.3f}"


def _document(predictions: list[dict[str, Any]], model: str, version: int) -> bytes:
    document = {"predictions": predictions, "model": {"name": model, "version": version}}
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
