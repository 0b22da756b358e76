"""Reads the service's answers; does no input or output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from app.client.answers import Choice, Model, Prediction, Served, Version
from app.client.errors import (
    AccessError,
    DeadlineError,
    FailedError,
    GlyphError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

if TYPE_CHECKING:
    import httpx
    from numpy.typing import NDArray

_TIMING = re.compile(r"(queue|inference);dur=([0-9.]+)")
_ERRORS: dict[int, type[GlyphError]] = {
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    408: DeadlineError,
    429: UnavailableError,
    503: UnavailableError,
    504: DeadlineError,
}


def read_predictions(response: httpx.Response, elapsed_s: float) -> list[Prediction]:
    """Read the answer to a request for predictions.

    Raises:
        FailedError: If it is none.
    """
    document = read_document(response)
    try:
        said, model = document["predictions"], document["model"]
        timing = {name: float(ms) / 1000 for name, ms in _timings(response)}
        served = Served(
            model=model["name"],
            version=model["version"],
            request_id=response.headers.get("X-Request-Id"),
            queue_s=timing.get("queue", 0.0),
            inference_s=timing.get("inference", 0.0),
            elapsed_s=elapsed_s,
        )
        probabilities = np.array([one["probabilities"] for one in said], np.float32)
        probabilities.flags.writeable = False
        return [
            Prediction(
                label=one["label"],
                class_=one["class"],
                probability=one["probability"],
                probabilities=row,
                notes=tuple(one.get("notes", ())),
                top=tuple(
                    Choice(c["label"], c["class"], c["probability"]) for c in one.get("top", ())
                ),
                served=served,
            )
            for one, row in zip(said, probabilities, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as exc:
        raise strange(response) from exc


def read_models(response: httpx.Response) -> tuple[Model, ...]:
    """Read the answer to GET /models.

    Raises:
        FailedError: If it is none.
    """
    document = read_document(response)
    try:
        return tuple(_model(one) for one in document["models"])
    except (KeyError, TypeError) as exc:
        raise strange(response) from exc


def read_example(response: httpx.Response) -> NDArray[np.uint8]:
    """Read the image out of the answer to GET /example.

    Raises:
        FailedError: If there is none.
    """
    document = read_document(response)
    try:
        return np.array(document["instances"][0], np.uint8)
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise strange(response) from exc


def read_document(response: httpx.Response) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FailedError: If the body is none.
    """
    try:
        document = response.json()
    except ValueError as exc:
        raise strange(response) from exc
    if not isinstance(document, dict):
        raise strange(response)
    return document


def read_error(response: httpx.Response) -> GlyphError:
    """Make an error of an answer that is not 200."""
    try:
        details = read_document(response)
        sentence = details.pop("error")
    except (GlyphError, KeyError):
        details, sentence = {}, None
    if not isinstance(sentence, str):
        sentence = f"{response.url} answered {response.status_code} without a sentence of Glyph's"
    client_error = 400 <= response.status_code < 500  # noqa: PLR2004 - the range of HTTP
    kind = _ERRORS.get(response.status_code, RefusedError if client_error else FailedError)
    return kind(
        sentence,
        status=response.status_code,
        request_id=response.headers.get("X-Request-Id"),
        retry_after_s=retry_after_s(response),
        details=details,
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Give the seconds of Retry-After; None where it is missing or a date."""
    text: str = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch("[0-9]{1,9}", text) else None


def strange(response: httpx.Response) -> FailedError:
    """Make the error for an answer that Glyph does not give."""
    kind = response.headers.get("Content-Type", "no Content-Type")
    return FailedError(
        f"{response.url} answered what Glyph does not ({kind}); is it the right address?",
        status=response.status_code,
        request_id=response.headers.get("X-Request-Id"),
    )


def _timings(response: httpx.Response) -> list[tuple[str, str]]:
    return _TIMING.findall(response.headers.get("Server-Timing", ""))


def _model(said: dict[str, Any]) -> Model:
    return Model(
        name=said["name"],
        ready=said["ready"],
        reason=said["reason"],
        default_version=said["default_version"],
        labels=said["labels"],
        versions=tuple(
            Version(
                version=version["version"],
                state=version["state"],
                reason=version.get("reason"),
                classes=tuple(version.get("classes", ())),
                input_shape=tuple(version.get("input_shape", ())),
                details=version,
            )
            for version in said["versions"]
        ),
        details=said,
    )
