"""Predicts with the version that a path names: a model's default version, a number or a label."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from app.web.http.errors import NotFoundError, NotReadyError
from app.web.prediction.lookup import find_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ipc.status import LoadedModel
    from app.web.host_client.blocking import BlockingHost
    from app.web.host_client.client import Prediction
    from app.web.inputs.images import Images
    from app.web.prediction.canary import Traffic

    Environ = dict[str, Any]


_MOST_READS = 3
"""Times that pictures are prepared for one request."""


class ModelRef(NamedTuple):
    """A reference to a model; at most one of version and label is set."""

    model: str | None = None
    """None is the default model."""
    version: int = 0
    """0 is the model's default version."""
    label: str | None = None


class Predictor:
    """Calls the model host for all protocols."""

    def __init__(self, channel: BlockingHost, traffic: Traffic) -> None:
        """Make one.

        Args:
            channel: Calls the model host.
            traffic: Sends a share of the requests for a default version to the canary.
        """
        self.channel = channel
        self._traffic = traffic

    def name(self, model_ref: ModelRef) -> str:
        """Return the name of the model that is referred to."""
        return model_ref.model or self.channel.status.model

    def serving(self, model_ref: ModelRef, deadline: float, size: int = 0) -> LoadedModel:
        """Return the version that answers; wait while the model's first version is being loaded.

        Args:
            model_ref: What the path names.
            deadline: Clock reading after which nobody waits.
            size: Bytes that the waiting request holds.

        Raises:
            NotFoundError: If there is no such model, or no such version or label of it serves.
            NotReadyError: If nothing of the model serves, or this version is still being loaded.
        """
        serving = self.channel.serving(deadline, size, model=model_ref.model)
        if model_ref.version or model_ref.label is not None:
            version = self._number(model_ref)
            serving = self.channel.serving(deadline, model=model_ref.model, version=version)
        return serving

    def predict(
        self,
        model_ref: ModelRef,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
        environ: Environ,
    ) -> Prediction:
        """Classify images.

        Args:
            model_ref: What the path names.
            rows: Number of images.
            pixels: uint8, row-major, image after image, in the shape that `serving` gives.
            deadline: Clock reading after which nobody waits.
            environ: The request's: its headers may choose the side of a canary.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        named = model_ref.version or model_ref.label is not None
        canary = 0 if named else self.canary(model_ref.model, environ)
        return self._predict(model_ref, canary, rows, pixels, deadline)

    def read_and_predict(
        self,
        model_ref: ModelRef,
        read: Callable[[LoadedModel], Images],
        deadline: float,
        environ: Environ,
        size: int,
    ) -> tuple[LoadedModel, Images, Prediction]:
        """Read images for the version that answers, and classify them.

        Versions may prepare pictures differently. Where another one than expected answers, since
        it has just become the default, pictures are prepared once more, for that one.

        Args:
            model_ref: What the path names.
            read: Reads the images of the request; pictures, as the version prepares them.
            deadline: Clock reading after which nobody waits.
            environ: The request's: its headers may choose the side of a canary.
            size: Bytes that the request holds.

        Returns:
            The version that the images were read for, the images, and its prediction.

        Raises:
            ServiceError: If there is no answer; the class says why.
        """
        model = self.serving(model_ref, deadline, size)
        named = model_ref.version or model_ref.label is not None
        canary = 0 if named else self.canary(model_ref.model, environ)
        if canary:
            model = self._loaded(model_ref, canary) or model
        for _ in range(_MOST_READS):
            images = read(model)
            prediction = self._predict(model_ref, canary, images.rows, images.pixels, deadline)
            if images.notes is None:
                return model, images, prediction
            answered = self._loaded(model_ref, prediction.answer.version)
            if answered is None or answered.takes_pixels_of(model):
                return model, images, prediction
            model, canary = answered, 0 if named else prediction.answer.version
        raise NotReadyError(
            f"the version of {self.name(model_ref)} changes too often to prepare pictures for it",
            retry_after_s=1,
        )

    def _loaded(self, model_ref: ModelRef, version: int) -> LoadedModel | None:
        """Return what is known of a version that serves or is retiring."""
        found = self.channel.model(model_ref.model).version(version)
        return found.loaded if found is not None else None

    def _predict(
        self,
        model_ref: ModelRef,
        canary: int,
        rows: int,
        pixels: bytes | memoryview,
        deadline: float,
    ) -> Prediction:
        ask = partial(self.channel.predict, rows, pixels, deadline, model=model_ref.model)
        if model_ref.label is not None:
            number = self._number(model_ref)
            try:
                return ask(version=number)
            except NotFoundError:  # the label moved on, and what it was on is gone
                if self._number(model_ref) == number:
                    raise
                return ask(version=self._number(model_ref))
        if model_ref.version:
            return ask(version=model_ref.version)
        return ask(version=canary, or_default=canary > 0)

    def canary(self, model: str | None, environ: Environ) -> int:
        """Return the version that a request for a model's default one goes to; 0 is the default.

        Args:
            model: Its name; None is the default model.
            environ: The request's, for its headers.
        """
        return self._traffic.choose(self.channel.model(model), environ)

    def _number(self, model_ref: ModelRef) -> int:
        if model_ref.label is None:
            return model_ref.version
        return find_label(self.channel.model(model_ref.model), model_ref.label)
