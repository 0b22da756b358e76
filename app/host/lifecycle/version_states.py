"""The state of each version of a model, and its default version."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from app.ipc.status import VersionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.ipc.status import LoadedModel


class VersionStates:
    """The states of one model's versions; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[int, VersionStatus] = {}
        self._refused: dict[int, str] = {}
        self._default: int | None = None

    @property
    def default(self) -> int | None:
        """The version for requests that name none."""
        return self._default

    def serving(self) -> set[int]:
        """Return the numbers of the versions that serve."""
        with self._lock:
            return {n for n, status in self._states.items() if status.state == "serving"}

    def digest(self, version: int) -> str | None:
        """Return the digest of a version in memory; None if it is not loaded."""
        with self._lock:
            status = self._states.get(version)
        return status.loaded.digest if status and status.loaded else None

    def loading(self, version: int) -> None:
        """Set a version to loading."""
        with self._lock:
            self._states[version] = VersionStatus(version=version, state="loading")

    def abandoned(self, version: int) -> None:
        """Remove a version whose trial did not lead to serving."""
        with self._lock:
            self._states.pop(version, None)

    def serve(self, version: int, known: LoadedModel, *, default: bool) -> None:
        """Set a version to serving."""
        with self._lock:
            self._states[version] = VersionStatus(version=version, state="serving", loaded=known)
            if default:
                self._default = version

    def make_default(self, version: int) -> None:
        """Set the default version."""
        with self._lock:
            self._default = version

    def retire(self, version: int) -> None:
        """Set a version to retiring; it is not the default any more."""
        with self._lock:
            status = self._states[version]
            self._states[version] = status.model_copy(update={"state": "retiring"})
            if self._default == version:
                self._default = None

    def retired(self, version: int) -> bool:
        """Remove a version that the engine dropped; return False if it serves again."""
        with self._lock:
            status = self._states.get(version)
            if status is None or status.state != "retiring":
                return False
            del self._states[version]
            return True

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """Set the versions that must not be loaded, and why."""
        with self._lock:
            self._refused = dict(reasons)

    def versions(self) -> tuple[VersionStatus, ...]:
        """Return the status of all versions, newest first."""
        with self._lock:
            refused = {
                n: VersionStatus(version=n, state="refused", reason=reason)
                for n, reason in self._refused.items()
            }
            states = refused | self._states
        return tuple(states[n] for n in sorted(states, reverse=True))
