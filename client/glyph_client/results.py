"""Typed results of the client's calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from glyph_client.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Served:
    """Which version answered a request, and how long it took."""

    model: str
    version: int
    request_id: str | None
    """Id of the request in the service's log."""
    queue_s: float
    """Seconds that its images waited in the queue."""
    inference_s: float
    """Seconds of inference."""
    elapsed_s: float
    """Seconds from the first try to the response."""


@dataclass(frozen=True)
class Choice:
    """One of the most probable classes."""

    label: str
    class_: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """Prediction for one image."""

    label: str
    """Name of the most probable class."""
    class_: int
    """Its number."""
    probability: float
    probabilities: NDArray[np.float32] = field(compare=False)
    """One for each class, in their order; read-only."""
    notes: tuple[str, ...] = ()
    """How a picture was prepared, and what looks doubtful, such as "inverted" or "blank"."""
    top: tuple[Choice, ...] = ()
    """The most probable classes, as many as `top_k` asked for."""
    served: Served = field(compare=False, kw_only=True)
    """Version and timing of the request that the image was sent in."""


class Predictions(Sequence[Prediction]):
    """Predictions for many images, in their order."""

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
        """Return the prediction for an image, or for several."""
        return self._predictions[index]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._predictions)

    def __repr__(self) -> str:
        """Return a text with the labels."""
        return f"<{len(self)} predictions by {self.model} {self.version}: {self.labels}>"

    @property
    def labels(self) -> list[str]:
        """Return the name of the most probable class of each image."""
        return [prediction.label for prediction in self]

    @property
    def classes(self) -> NDArray[np.intp]:
        """Return the number of the most probable class of each image."""
        return np.array([prediction.class_ for prediction in self])

    @property
    def served(self) -> tuple[Served, ...]:
        """Return version and timing of each request that the images were sent in."""
        return tuple({id(p.served): p.served for p in self}.values())

    @property
    def model(self) -> str:
        """Return the name of the model that answered."""
        return self.served[-1].model

    @property
    def version(self) -> int:
        """Return the version that answered; the last one, if it changed between two requests."""
        return self.served[-1].version

    @property
    def request_id(self) -> str | None:
        """Return the id in the service's log of the first request."""
        return self.served[0].request_id

    @property
    def queue_s(self) -> float:
        """Return the seconds that the images waited in the queue, all requests together."""
        return sum(served.queue_s for served in self.served)

    @property
    def inference_s(self) -> float:
        """Return the seconds of inference, all requests together."""
        return sum(served.inference_s for served in self.served)


@dataclass(frozen=True)
class Version:
    """A version of a model."""

    version: int
    state: str
    """Such as "serving", "loading" or "refused"."""
    reason: str | None
    """Why it does not serve; None if it does."""
    classes: tuple[str, ...]
    """Their labels, in the order of the probabilities; none unless it is loaded."""
    input_shape: tuple[int, ...]
    """Rows, columns and channels of an image; none unless it is loaded."""
    details: Mapping[str, Any] = field(repr=False, compare=False)
    """Everything that the service reports about it."""


@dataclass(frozen=True)
class Model:
    """A model that the service has."""

    name: str
    ready: bool
    reason: str | None
    """Why no version of it serves; None if one does."""
    default_version: int | None
    labels: Mapping[str, int]
    """Label -> version."""
    versions: tuple[Version, ...]
    details: Mapping[str, Any] = field(repr=False, compare=False)
    """Everything that the service reports about it."""


def collect(single: bool, predictions: Sequence[Prediction]) -> Prediction | Predictions:  # noqa: FBT001 - told apart once
    """Return the one prediction for a single image, else all of them.

    Raises:
        ImageError: If there is none, because there was no image.
    """
    if not predictions:
        raise ImageError("there are no images to ask about")
    return predictions[0] if single else Predictions(predictions)
