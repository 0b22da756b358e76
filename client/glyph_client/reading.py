"""Reads the service's answers; does no input or output."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from glyph_client.answers import Choice, Model, Prediction, Served, Version
from glyph_client.checks import number, strings, typed, whole_numbers
from glyph_client.errors import (
    AccessError,
    DeadlineError,
    FailedError,
    GlyphError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from numpy.typing import NDArray

_TIMING = re.compile(r"(queue|inference);dur=([0-9.]+)")
_NAME = re.compile("[!-~]{1,256}")
_JSON = re.compile(r"application/([a-z.-]+\+)?json\s*(;|$)", re.IGNORECASE)
_LONGEST_QUOTE = 200
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
    with _expecting_glyph(response):
        said, model = document["predictions"], document["model"]
        timing = {name: float(ms) / 1000 for name, ms in _timings(response)}
        served = Served(
            model=typed(model["name"], str),
            version=typed(model["version"], int),
            request_id=response.headers.get("X-Request-Id"),
            queue_s=timing.get("queue", 0.0),
            inference_s=timing.get("inference", 0.0),
            elapsed_s=elapsed_s,
        )
        rows = _probabilities([one["probabilities"] for one in said])
        return [_prediction(one, row, served) for one, row in zip(said, rows, strict=True)]


def read_models(response: httpx.Response) -> tuple[Model, ...]:
    """Read the answer to GET /models.

    Raises:
        FailedError: If it is none.
    """
    document = read_document(response)
    with _expecting_glyph(response):
        return tuple(_model(one) for one in typed(document["models"], list))


def read_default_model(response: httpx.Response) -> str:
    """Read the default model's name out of the answer to GET /models.

    Raises:
        FailedError: If there is none.
    """
    document = read_document(response)
    with _expecting_glyph(response):
        name: str = typed(document["default"], str)
        if not _NAME.fullmatch(name):
            raise ValueError("no name of a model")
        return name


def read_example(response: httpx.Response) -> NDArray[np.uint8]:
    """Read the image out of the answer to GET /example.

    Raises:
        FailedError: If there is none.
    """
    document = read_document(response)
    with _expecting_glyph(response), np.errstate(invalid="ignore"):
        said = np.array(document["instances"][0], np.float64)
        image = said.astype(np.uint8)
        if not image.ndim or not np.array_equal(image, said):
            raise ValueError("no pixels from 0 to 255")
        return image


def read_document(response: httpx.Response) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FailedError: If the body is none.
    """
    if not _JSON.match(response.headers.get("Content-Type", "application/json")):
        raise strange(response)
    with _expecting_glyph(response):
        document: dict[str, Any] = typed(response.json(parse_constant=_no_number), dict)
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
        if response.has_redirect_location:
            elsewhere = response.headers["Location"][:_LONGEST_QUOTE]
            sentence += f"; it points to {elsewhere}, and redirects are not followed"
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
    kind = response.headers.get("Content-Type", "no Content-Type")[:_LONGEST_QUOTE]
    return FailedError(
        f"{response.url} answered what Glyph does not ({kind}); is it the right address?",
        status=response.status_code,
        request_id=response.headers.get("X-Request-Id"),
    )


def _timings(response: httpx.Response) -> list[tuple[str, str]]:
    return _TIMING.findall(response.headers.get("Server-Timing", ""))


@contextmanager
def _expecting_glyph(response: httpx.Response) -> Iterator[None]:
    """Turn what reading trips over into the error for an answer that Glyph does not give."""
    try:
        yield
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise strange(response) from exc


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _probabilities(rows: list[Any]) -> NDArray[np.float32]:
    """Return images x classes. NumPy alone would take null for NaN, and texts for numbers."""
    if not set(map(type, rows)) == {list} or not set(map(type, chain(*rows))) <= {float, int}:
        raise TypeError("no lists of numbers")
    with np.errstate(over="ignore"):
        probabilities = np.array(rows, np.float32)
    if not probabilities.size or not np.isfinite(probabilities).all():
        raise ValueError("no probabilities")
    probabilities.flags.writeable = False
    return probabilities


def _prediction(said: dict[str, Any], row: NDArray[np.float32], served: Served) -> Prediction:
    return Prediction(
        label=typed(said["label"], str),
        class_=typed(said["class"], int),
        probability=number(said["probability"]),
        probabilities=row,
        notes=strings(said.get("notes", [])),
        top=tuple(_choice(one) for one in typed(said.get("top", []), list)),
        served=served,
    )


def _choice(said: dict[str, Any]) -> Choice:
    return Choice(
        label=typed(said["label"], str),
        class_=typed(said["class"], int),
        probability=number(said["probability"]),
    )


def _model(said: dict[str, Any]) -> Model:
    labels = typed(said["labels"], dict)
    return Model(
        name=typed(said["name"], str),
        ready=typed(said["ready"], bool),
        reason=typed(said["reason"], str, type(None)),
        default_version=typed(said["default_version"], int, type(None)),
        labels={label: typed(version, int) for label, version in labels.items()},
        versions=tuple(_version(version) for version in typed(said["versions"], list)),
        details=said,
    )


def _version(said: dict[str, Any]) -> Version:
    return Version(
        version=typed(said["version"], int),
        state=typed(said["state"], str),
        reason=typed(said.get("reason"), str, type(None)),
        classes=strings(said.get("classes", [])),
        input_shape=whole_numbers(said.get("input_shape", [])),
        details=said,
    )
