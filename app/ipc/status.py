"""The status that the model host sends to every web worker: on connecting and at every change."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from imaging.preparation import Preparation  # noqa: TC001 - pydantic needs it at run time

State = Literal["loading", "serving", "retiring", "refused"]

Shape = tuple[int, int, int]
"""Rows, columns and channels of one image."""

_BRIEF = 500
"""Characters kept of a reason if the status is too large."""
_LEFT_OUT = "the model host's log says why"


class LoadedModel(BaseModel):
    """Facts about a version that passed its trial."""

    model_config = ConfigDict(frozen=True)

    runtime: str
    precision: str
    digest: str
    accuracy: float
    classes: tuple[str, ...]
    input_shape: Shape
    preparation: Preparation
    """How pictures become its pixels."""
    passed_over: tuple[str, ...]
    """Other ways to run it that were tried, and why they are not used."""
    batch_limit: int
    """Largest batch that is worth making on this machine, in images."""
    batch_seconds: dict[str, float]
    """Measured time of one batch, by its size in images."""
    measured_with: int | None = None
    """The version alike that was measured in place of this one."""

    def takes_pixels_of(self, other: LoadedModel) -> bool:
        """Return True if pictures become the same pixels for both."""
        return (self.input_shape, self.preparation) == (other.input_shape, other.preparation)


class VersionStatus(BaseModel):
    """One version, as the host sees it."""

    model_config = ConfigDict(frozen=True)

    version: int
    state: State
    """One that is `serving` can be asked for; the default version is one of them."""
    reason: str | None = None
    """Why it was refused."""
    loaded: LoadedModel | None = None
    """Known of a version that serves or is retiring."""


class CanaryStatus(BaseModel):
    """A version that a share of the traffic goes to, or is tried on as a shadow."""

    model_config = ConfigDict(frozen=True)

    version: int
    label: str
    percent: float
    sticky_header: str | None = None
    """Header whose value decides for a caller once and for all; None decides by request."""


class ModelStatus(BaseModel):
    """Whether a model can predict, with which versions, and if not, why."""

    model_config = ConfigDict(frozen=True)

    name: str
    ready: bool
    starting: bool = False
    """Not ready yet, but worth waiting for: the first version is being found or loaded."""
    unloaded: bool = False
    """Somebody ordered that nothing of it be loaded."""
    reason: str | None
    """Why it is not ready."""
    complete: bool = True
    """Every version that is to serve is listed."""
    default: int | None = None
    """The version that requests get which ask for none."""
    versions: tuple[VersionStatus, ...] = ()
    """Newest first."""
    labels: dict[str, int] = {}
    """Label -> version, of those that serve."""
    pinned: int | None = None
    """The version that stays the default whatever is published."""
    policy: str = "latest"
    canary: CanaryStatus | None = None
    shadow: CanaryStatus | None = None

    @property
    def serving(self) -> VersionStatus | None:
        """The default version."""
        return self.version(self.default) if self.default is not None else None

    def version(self, number: int) -> VersionStatus | None:
        """Find a version."""
        return next((v for v in self.versions if v.version == number), None)


class HostStatus(BaseModel):
    """All models of the host; what it says of the default one is said of the host too."""

    model_config = ConfigDict(frozen=True)

    model: str
    """Name of the default model."""
    models: tuple[ModelStatus, ...]
    """The default one first; the others keep their places, and new ones come last."""
    store_trouble: str | None = None
    """Why the store cannot be read."""
    complete: bool = True
    """The store was read since the host began: a model that is not listed is not there."""

    @classmethod
    def of(cls, *models: ModelStatus) -> HostStatus:
        """Describe a host with these models, the default one first."""
        return cls(model=models[0].name, models=models)

    @classmethod
    def away(cls, model: str, reason: str, *, starting: bool) -> HostStatus:
        """Return the status of a host that is not available now."""
        default = ModelStatus(
            name=model, ready=False, starting=starting, reason=reason, complete=False
        )
        return cls(model=model, models=(default,), complete=False)

    def brief(self) -> HostStatus:
        """Leave out why versions were refused, where that is too much to be told."""
        return self.model_copy(update={"models": tuple(map(_brief, self.models))})

    @property
    def default(self) -> ModelStatus:
        """The default model."""
        return self.models[0]

    @property
    def ready(self) -> bool:
        """Whether the default model can predict."""
        return self.default.ready

    @property
    def starting(self) -> bool:
        """Whether the default model is not ready yet, but worth waiting for."""
        return self.default.starting

    @property
    def settled(self) -> bool:
        """Whether a model that is not listed is known not to be there."""
        return self.complete and not self.starting

    @property
    def reason(self) -> str | None:
        """Why the default model is not ready."""
        return self.default.reason

    @property
    def versions(self) -> tuple[VersionStatus, ...]:
        """The versions of the default model."""
        return self.default.versions

    @property
    def serving(self) -> VersionStatus | None:
        """The default version of the default model."""
        return self.default.serving


def _brief(model: ModelStatus) -> ModelStatus:
    versions = tuple(
        v.model_copy(update={"reason": _LEFT_OUT}) if v.state == "refused" else v
        for v in model.versions
    )
    reason = model.reason and model.reason[:_BRIEF]
    return model.model_copy(update={"versions": versions, "reason": reason})
