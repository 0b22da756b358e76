"""What the model host tells every web worker about itself: on connecting and at every change."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["loading", "serving", "retiring", "refused"]


class VersionStatus(BaseModel):
    """One version, as the host sees it."""

    model_config = ConfigDict(frozen=True)

    version: int
    state: State
    reason: str | None = None
    """Why it was refused."""
    runtime: str | None = None
    precision: str | None = None
    digest: str | None = None
    accuracy: float | None = None
    classes: tuple[str, ...] = ()
    input_shape: tuple[int, int, int] | None = None
    """Rows, columns, channels."""
    example: str | None = None
    """One golden image, base64 of its uint8 pixels."""


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

    def version(self, number: int) -> VersionStatus | None:
        """Look a version up by its number."""
        return next((v for v in self.versions if v.version == number), None)
