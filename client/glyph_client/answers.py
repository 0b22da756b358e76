"""What the service answers, as values with types."""

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
