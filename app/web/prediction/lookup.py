"""Finds models, versions and labels in the host's status."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.web.host_client.model_index import not_ready, not_yet
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotFoundError

if TYPE_CHECKING:
    from app.ipc.status import HostStatus, ModelStatus, VersionStatus

_NUMBER = re.compile("[1-9][0-9]{0,17}")


def find_model(status: HostStatus, name: str) -> ModelStatus:
    """Find a model by its name.

    Raises:
        NotFoundError: If there is none of that name.
        NotReadyError: If that is not known yet.
    """
    found = next((model for model in status.models if model.name == name), None)
    if found is not None:
        return found
    if not status.settled:
        raise not_ready(status.default)
    raise NotFoundError(
        f"there is no model {name[:80]!r}; {_have('models', [m.name for m in status.models])}"
    )


def find_version(model: ModelStatus, version: int) -> VersionStatus:
    """Find a version by its number, whatever its state.

    Raises:
        NotFoundError: If nothing is known of it.
        NotReadyError: If that is not known yet.
    """
    found = model.version(version)
    if found is None and not model.complete:
        raise not_yet(f"version {version} of {model.name}")
    if found is None:
        numbers = [v.version for v in model.versions]
        raise NotFoundError(
            f"nothing is known of version {version} of {model.name}; {_have('versions', numbers)}",
            code=ErrorCode.VERSION_NOT_FOUND,
        )
    return found


def find_label(model: ModelStatus, label: str) -> int:
    """Return the version that a label points at.

    Raises:
        NotFoundError: If no version that serves has this label.
        NotReadyError: If that is not known yet.
    """
    if label not in model.labels and not model.complete:
        raise not_yet(f"label {label[:80]!r} of {model.name}")
    if label not in model.labels:
        labels = [f"{name} (version {version})" for name, version in model.labels.items()]
        raise NotFoundError(
            f"{model.name} has no label {label[:80]!r} on a version that serves; "
            f"{_have('labels', labels)}",
            code=ErrorCode.LABEL_NOT_FOUND,
        )
    return model.labels[label]


def version_number(text: str) -> int:
    """Read a version's number from a path.

    Raises:
        NotFoundError: If it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise NotFoundError(
            f"there is no version {text[:80]!r}; versions are numbered from 1",
            code=ErrorCode.VERSION_NOT_FOUND,
        )
    return int(text)


def _have(what: str, names: list[str] | list[int]) -> str:
    return f"{what}: {', '.join(map(str, names)) or 'none'}"
