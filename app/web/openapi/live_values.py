"""Values of the document that depend on the settings and on the models that serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.config.settings import Settings
    from app.ipc.status import HostStatus

Shape = tuple[int, int, int]


class Bounds(NamedTuple):
    """The bounds from the settings."""

    max_images: int
    max_body_bytes: int
    timeout_ms: int
    """Deadline of a request that names none."""
    changes: bool
    """Whether anything may be changed over HTTP."""
    keys: bool
    """Whether callers must have an API key."""
    limits: bool
    """Whether callers are refused who ask too often."""

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """Read the settings."""
        return cls(
            max_images=settings.max_images,
            max_body_bytes=settings.max_body_bytes,
            timeout_ms=settings.request_timeout_ms,
            changes=settings.read_admin_token() is not None,
            keys=settings.api_keys_file is not None,
            limits=settings.api_keys_file is not None or settings.rate_limit is not None,
        )


class Facts(NamedTuple):
    """The current state of the service."""

    bounds: Bounds
    model: str
    """Name of the default model."""
    version: int | None
    """Its default version; None while none serves."""
    label: str | None
    """A label on a version of it that serves."""
    most_classes: int
    """Of any version here; 0 while none is loaded."""
    image: Any
    """A golden image of it, as rows of whole numbers; None while none serves or it is large."""
    shapes: tuple[Shape, ...]
    """Rows, columns and channels of the images that anything here takes, its own first."""

    @classmethod
    def of(cls, bounds: Bounds, status: HostStatus, example: NDArray[np.uint8] | None) -> Facts:
        """Gather them."""
        default = status.default
        loaded = default.serving.loaded if default.serving is not None else None
        every = [v.loaded for model in status.models for v in model.versions if v.loaded]
        mine = [loaded] if loaded is not None else []
        return cls(
            bounds=bounds,
            model=default.name,
            version=default.default,
            label=min(default.labels, default=None),
            most_classes=max((len(about.classes) for about in every), default=0),
            image=_image(example) if loaded is not None and example is not None else None,
            shapes=tuple(dict.fromkeys(about.input_shape for about in mine + every)),
        )


def _image(pixels: NDArray[np.uint8]) -> Any:
    return (pixels[..., 0] if pixels.shape[2] == 1 else pixels).tolist()
