"""A web worker's index of the host's models: which serve, and their indices in its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ipc.frames import Refusal
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    ModelFailedError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    ServiceError,
    TooLargeError,
)

if TYPE_CHECKING:
    from app.ipc.frames import Refused
    from app.ipc.status import HostStatus, LoadedModel, ModelStatus, VersionStatus

_ERRORS: dict[Refusal, type[ServiceError]] = {
    Refusal.OVERLOADED: OverloadedError,
    Refusal.EXPIRED: DeadlineError,
    Refusal.NOT_READY: NotReadyError,
    Refusal.FAILED: ModelFailedError,
    Refusal.MISFIT: BadInputError,
    Refusal.NOT_FOUND: NotFoundError,
    Refusal.TOO_LARGE: TooLargeError,
}
_CODES = {
    Refusal.MISFIT: ErrorCode.IMAGE_SIZE,
    Refusal.NOT_FOUND: ErrorCode.VERSION_NOT_FOUND,
    Refusal.TOO_LARGE: ErrorCode.IMAGES_TOO_MANY,
}
"""Of the refusals whose class is of several."""


class ModelIndex:
    """The host's status, prepared for looking things up. The name None is the default model's."""

    def __init__(self, status: HostStatus) -> None:
        self.status = status
        serving = status.serving if status.ready else None
        self.serving: LoadedModel | None = serving.loaded if serving is not None else None
        """The default version of the default model."""
        names: dict[str | None, ModelStatus] = {model.name: model for model in status.models}
        self._models = names | {None: status.default}
        indices: dict[str | None, int] = {m.name: n for n, m in enumerate(status.models)}
        indices[None] = 0
        self.indices = {name: n for name, n in indices.items() if self._models[name].ready}
        """Index of each ready model in the host's status; requests carry it."""
        self._classes = {
            (name, v.version): v.loaded.classes
            for name, model in self._models.items()
            for v in model.versions
            if v.loaded
        }

    def model(self, name: str | None) -> ModelStatus:
        """Return the status of a model.

        Raises:
            NotFoundError: If there is none of that name.
            NotReadyError: If that is not known yet.
        """
        found = self._models.get(name)
        if found is None and not self.status.settled:
            raise not_ready(self.status.default)
        if found is None:
            have = ", ".join(model.name for model in self.status.models)
            raise NotFoundError(f"there is no model {name!r} (available: {have})")
        return found

    def version(self, name: str | None, version: int) -> LoadedModel:
        """Return a version that serves; 0 is the default one.

        Raises:
            NotFoundError: If there is no such model, or it has no such version.
            NotReadyError: If no version of the model serves, or this one is still being loaded.
        """
        model = self.model(name)
        if not model.ready:
            raise not_ready(model)
        found = model.version(version) if version else model.serving
        if found is not None and found.state == "loading":
            message = f"{model.name} version {version} is being loaded"
            raise NotReadyError(message, retry_after_s=1)
        if found is None and not model.complete:
            raise not_yet(f"version {version} of {model.name}")
        if found is None or found.state != "serving" or found.loaded is None:
            raise NotFoundError(
                _not_serving(model, version, found), code=ErrorCode.VERSION_NOT_FOUND
            )
        return found.loaded

    def awaited(self, name: str | None) -> bool:
        """Return whether to wait for a model, which may become known or ready."""
        model = self._models.get(name)
        return self.status.starting if model is None else model.starting

    def not_serving(self, name: str | None) -> NotReadyError:
        """Return the error of a model that no longer serves."""
        return not_ready(self._models.get(name, self.status.default))

    def error(self, name: str | None, refused: Refused) -> ServiceError:
        """Return the error of a rejection by the host; a version not found may still be loading."""
        kind, model = _ERRORS[refused.reason], self._models.get(name)
        if kind is NotFoundError and model is not None and not model.complete:
            return NotReadyError(refused.sentence, retry_after_s=1)
        again = refused.reason in (Refusal.OVERLOADED, Refusal.NOT_READY)
        retry_after_s = refused.retry_after_s if again else None
        code = _CODES.get(refused.reason)
        return kind(refused.sentence, code=code, retry_after_s=retry_after_s)

    def classes(self, name: str | None, version: int) -> tuple[str, ...]:
        """Return the classes of a version that serves or is retiring."""
        return self._classes[name, version]


def not_ready(model: ModelStatus) -> NotReadyError:
    """Return the error of a model that does not serve."""
    return NotReadyError(model.reason or f"no version of {model.name} serves", retry_after_s=1)


def not_yet(what: str) -> NotReadyError:
    """Return the error of a lookup before the host has loaded all versions."""
    message = f"{what} is not known yet: versions are still being loaded"
    return NotReadyError(message, retry_after_s=1)


def silent(status: HostStatus, reason: str) -> HostStatus:
    """Return the status of a host that has fallen silent."""
    changes = {"ready": False, "starting": False, "reason": reason}
    models = tuple(model.model_copy(update=changes) for model in status.models)
    return status.model_copy(update={"models": models})


def _not_serving(model: ModelStatus, version: int, found: VersionStatus | None) -> str:
    why = f"it is {found.state}" if found else "it is not loaded"
    if found and found.reason:
        why += f": {found.reason}"
    have = ", ".join(str(v.version) for v in model.versions if v.state == "serving")
    return f"{model.name} version {version} does not serve, {why} (available: {have})"
