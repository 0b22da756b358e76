"""Reads what the service answers into values with types; does no input or output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from app.client.errors import (
    AccessError,
    DeadlineError,
    FailedError,
    GlyphError,
    ImageError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True)
class Served:
    """Who answered a request, and how long it took."""

    model: str
    version: int
    request_id: str | None
    """Under which the service's log has the request."""
    queue_s: float
    """Seconds that its images waited for the model."""
    inference_s: float
    """Seconds that the model computed."""
    elapsed_s: float
    """Seconds from the first try to the answer."""


@dataclass(frozen=True)
class Choice:
    """A class among the most probable ones."""

    label: str
    class_: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What one image is taken for."""

    label: str
    """Name of the most probable class."""
    class_: int
    """Its number."""
    probability: float
    probabilities: NDArray[np.float32] = field(compare=False)
    """One for each class, in their order; read-only."""
    notes: tuple[str, ...] = ()
    """What was done to a picture, and what looks doubtful, such as "inverted" or "blank"."""
    top: tuple[Choice, ...] = ()
    """The most probable classes, as many as `top_k` asked for."""
    served: Served = field(compare=False, kw_only=True)
    """Who answered."""


class Predictions(Sequence[Prediction]):
    """What many images are taken for, in their order."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        """Hold at least one prediction."""
        self._predictions = tuple(predictions)
        self.probabilities: NDArray[np.float32] = np.stack([p.probabilities for p in predictions])
        """float32, images x classes."""

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: int | slice) -> Prediction | tuple[Prediction, ...]:
        """Give the prediction of an image, or of several."""
        return self._predictions[index]

    def __len__(self) -> int:
        """Count the images."""
        return len(self._predictions)

    def __repr__(self) -> str:
        """Show the labels."""
        return f"<{len(self)} predictions by {self.model} {self.version}: {self.labels}>"

    @property
    def labels(self) -> list[str]:
        """Name of the most probable class of each image."""
        return [prediction.label for prediction in self]

    @property
    def classes(self) -> NDArray[np.intp]:
        """Number of the most probable class of each image."""
        return np.array([prediction.class_ for prediction in self])

    @property
    def served(self) -> tuple[Served, ...]:
        """Who answered, for each request that the images were sent in."""
        return tuple({id(p.served): p.served for p in self}.values())

    @property
    def model(self) -> str:
        """Name of the model that answered."""
        return self.served[-1].model

    @property
    def version(self) -> int:
        """Version that answered; the last one, if another took over between two requests."""
        return self.served[-1].version

    @property
    def request_id(self) -> str | None:
        """Under which the service's log has the request; the first one, if there were several."""
        return self.served[0].request_id

    @property
    def queue_s(self) -> float:
        """Seconds that the images waited for the model, all requests together."""
        return sum(served.queue_s for served in self.served)

    @property
    def inference_s(self) -> float:
        """Seconds that the model computed, all requests together."""
        return sum(served.inference_s for served in self.served)


@dataclass(frozen=True)
class Version:
    """A version of a model."""

    version: int
    state: str
    """Such as "serving", "loading" or "refused"."""
    reason: str | None
    """Why it does not serve."""
    classes: tuple[str, ...]
    """Their labels, in the order of the probabilities; none unless it is loaded."""
    input_shape: tuple[int, ...]
    """Rows, columns and channels of an image; none unless it is loaded."""
    details: Mapping[str, Any] = field(repr=False, compare=False)
    """All that the service says of it."""


@dataclass(frozen=True)
class Model:
    """A model that the service has."""

    name: str
    ready: bool
    reason: str | None
    """Why nothing of it serves."""
    default_version: int | None
    labels: Mapping[str, int]
    """Label -> version."""
    versions: tuple[Version, ...]
    details: Mapping[str, Any] = field(repr=False, compare=False)
    """All that the service says of it."""


def collect(single: bool, predictions: Sequence[Prediction]) -> Prediction | Predictions:  # noqa: FBT001 - told apart once
    """Give what was asked for: one prediction, or many.

    Raises:
        ImageError: If there is none, as there was no image.
    """
    if not predictions:
        raise ImageError("there are no images to ask about")
    return predictions[0] if single else Predictions(predictions)


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
