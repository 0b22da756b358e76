"""What the model host tells every web worker about itself: on connecting and at every change."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["loading", "serving", "retiring", "refused"]


class LoadedModel(BaseModel):
    """What is known of a version that passed its trial."""

    model_config = ConfigDict(frozen=True)

    runtime: str
    precision: str
    digest: str
    accuracy: float
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    """Rows, columns, channels."""
    passed_over: tuple[str, ...]
    """Other ways to run it that were tried, and why they are not used."""
    batch_limit: int
    """Largest batch that is worth making on this machine, in images."""
    batch_seconds: dict[str, float]
    """Measured time of one batch, by its size in images."""
    example: str
    """One golden image, base64 of its uint8 pixels."""


class VersionStatus(BaseModel):
    """One version, as the host sees it."""

    model_config = ConfigDict(frozen=True)

    version: int
    state: State
    reason: str | None = None
    """Why it was refused."""
    loaded: LoadedModel | None = None
    """Known of a version that serves or is retiring."""


class HostStatus(BaseModel):
    """Whether predictions can be had, of what, and if not, why."""

    model_config = ConfigDict(frozen=True)

    model: str
    ready: bool
    starting: bool = False
    """Not ready yet, but worth waiting for: the first version is being found or loaded."""
    reason: str | None
    """Why it is not ready."""
    versions: tuple[VersionStatus, ...] = ()

    @property
    def serving(self) -> VersionStatus | None:
        """The version that new requests get."""
        return next((v for v in self.versions if v.state == "serving"), None)

    def classes(self, version: int) -> tuple[str, ...]:
        """Name the classes of a version that serves or is retiring."""
        return next(v.loaded.classes for v in self.versions if v.loaded and v.version == version)
