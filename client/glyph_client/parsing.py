"""Parses the service's responses; does no input or output."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from glyph_client.checks import expect_type, finite, integers, strings
from glyph_client.errors import (
    AccessError,
    DeadlineError,
    FailedError,
    GlyphError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from glyph_client.results import Choice, Model, Prediction, Served, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from numpy.typing import NDArray

_TIMING = re.compile(r"(queue|inference);dur=([0-9.]+)")
_NAME = re.compile("[!-~]{1,256}")
_JSON = re.compile(r"application/([a-z.-]+\+)?json\s*(;|$)", re.IGNORECASE)
_MAX_QUOTE_CHARS = 200
_ERRORS: dict[int, type[GlyphError]] = {
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    408: DeadlineError,
    429: UnavailableError,
    503: UnavailableError,
    504: DeadlineError,
}


def parse_predictions(response: httpx.Response, elapsed_s: float) -> list[Prediction]:
    """Return the predictions of a response.

    Raises:
        FailedError: If it holds none.
    """
    document = parse_json(response)
    with _checked_shape(response):
        predictions, model = document["predictions"], document["model"]
        timing = {name: float(ms) / 1000 for name, ms in _timings(response)}
        served = Served(
            model=expect_type(model["name"], str),
            version=expect_type(model["version"], int),
            request_id=response.headers.get("X-Request-Id"),
            queue_s=timing.get("queue", 0.0),
            inference_s=timing.get("inference", 0.0),
            elapsed_s=elapsed_s,
        )
        rows = _probabilities([one["probabilities"] for one in predictions])
        return [_prediction(one, row, served) for one, row in zip(predictions, rows, strict=True)]


def parse_models(response: httpx.Response) -> tuple[Model, ...]:
    """Return the models of a response to GET /models.

    Raises:
        FailedError: If it is not such a response.
    """
    document = parse_json(response)
    with _checked_shape(response):
        return tuple(_model(one) for one in expect_type(document["models"], list))


def parse_default_model(response: httpx.Response) -> str:
    """Return the default model's name of a response to GET /models.

    Raises:
        FailedError: If there is none.
    """
    document = parse_json(response)
    with _checked_shape(response):
        name: str = expect_type(document["default"], str)
        if not _NAME.fullmatch(name):
            raise ValueError("no name of a model")
        return name


def parse_example(response: httpx.Response) -> NDArray[np.uint8]:
    """Return the image of a response to GET /example.

    Raises:
        FailedError: If there is none.
    """
    document = parse_json(response)
    with _checked_shape(response), np.errstate(invalid="ignore"):
        numbers = np.array(document["instances"][0], np.float64)
        image = numbers.astype(np.uint8)
        if not image.ndim or not np.array_equal(image, numbers):
            raise ValueError("no pixels from 0 to 255")
        return image


def parse_json(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a response.

    Raises:
        FailedError: If the body is not one.
    """
    if not _JSON.match(response.headers.get("Content-Type", "application/json")):
        raise unexpected_response(response)
    with _checked_shape(response):
        document: dict[str, Any] = expect_type(response.json(parse_constant=_reject_constant), dict)
        return document


def parse_error(response: httpx.Response) -> GlyphError:
    """Return the error for a response whose status is not 200."""
    try:
        details = parse_json(response)
        sentence = details.pop("error")
    except (GlyphError, KeyError):
        details, sentence = {}, None
    code = details.pop("code", None)
    if not isinstance(sentence, str):
        sentence = f"{response.url} answered {response.status_code} without a sentence of Glyph's"
        if response.has_redirect_location:
            elsewhere = response.headers["Location"][:_MAX_QUOTE_CHARS]
            sentence += f"; it points to {elsewhere}, and redirects are not followed"
    client_error = 400 <= response.status_code < 500  # noqa: PLR2004 - the range of HTTP
    kind = _ERRORS.get(response.status_code, RefusedError if client_error else FailedError)
    return kind(
        sentence,
        status=response.status_code,
        code=code if isinstance(code, str) else None,
        request_id=response.headers.get("X-Request-Id"),
        retry_after_s=retry_after_s(response),
        details=details,
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After; None if it is missing or a date."""
    text: str = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch("[0-9]{1,9}", text) else None


def unexpected_response(response: httpx.Response) -> FailedError:
    """Return the error for a response that Glyph does not send."""
    kind = response.headers.get("Content-Type", "no Content-Type")[:_MAX_QUOTE_CHARS]
    return FailedError(
        f"{response.url} answered what Glyph does not ({kind}); is it the right address?",
        status=response.status_code,
        request_id=response.headers.get("X-Request-Id"),
    )


def _timings(response: httpx.Response) -> list[tuple[str, str]]:
    return _TIMING.findall(response.headers.get("Server-Timing", ""))


@contextmanager
def _checked_shape(response: httpx.Response) -> Iterator[None]:
    """Raise the error for a response that Glyph does not send, in place of what parsing raises."""
    try:
        yield
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise unexpected_response(response) from exc


def _reject_constant(constant: str) -> float:
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


def _prediction(document: dict[str, Any], row: NDArray[np.float32], served: Served) -> Prediction:
    return Prediction(
        label=expect_type(document["label"], str),
        class_=expect_type(document["class"], int),
        probability=finite(document["probability"]),
        probabilities=row,
        notes=strings(document.get("notes", [])),
        top=tuple(_choice(one) for one in expect_type(document.get("top", []), list)),
        served=served,
    )


def _choice(document: dict[str, Any]) -> Choice:
    return Choice(
        label=expect_type(document["label"], str),
        class_=expect_type(document["class"], int),
        probability=finite(document["probability"]),
    )


def _model(document: dict[str, Any]) -> Model:
    labels = expect_type(document["labels"], dict)
    return Model(
        name=expect_type(document["name"], str),
        ready=expect_type(document["ready"], bool),
        reason=expect_type(document["reason"], str, type(None)),
        default_version=expect_type(document["default_version"], int, type(None)),
        labels={label: expect_type(version, int) for label, version in labels.items()},
        versions=tuple(_version(version) for version in expect_type(document["versions"], list)),
        details=document,
    )


def _version(document: dict[str, Any]) -> Version:
    return Version(
        version=expect_type(document["version"], int),
        state=expect_type(document["state"], str),
        reason=expect_type(document.get("reason"), str, type(None)),
        classes=strings(document.get("classes", [])),
        input_shape=integers(document.get("input_shape", [])),
        details=document,
    )
