"""Predicts with the version that a path names: a model's default version, a number or a label."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from app.web.http.errors import NotFoundError
from app.web.prediction.lookup import find_label

if TYPE_CHECKING:
    from app.ipc.status import LoadedModel
    from app.web.host_client.blocking import BlockingHost
    from app.web.host_client.client import Prediction
    from app.web.prediction.canary import Traffic

    Environ = dict[str, Any]


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
        canary = self.canary(model_ref.model, environ)
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
