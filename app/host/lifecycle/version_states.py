"""What has become of a model's versions: which load, serve or retire, and which is the default."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from app.ipc.status import VersionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.ipc.status import LoadedModel


class VersionStates:
    """The versions of one model, as the host sees them; any thread may ask or tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[int, VersionStatus] = {}
        self._refused: dict[int, str] = {}
        self._default: int | None = None

    @property
    def default(self) -> int | None:
        """The version that requests get which ask for none."""
        return self._default

    def serving(self) -> set[int]:
        """Number the versions that can be asked for."""
        with self._lock:
            return {n for n, status in self._states.items() if status.state == "serving"}

    def digest(self, version: int) -> str | None:
        """Give the digest of a version in memory."""
        with self._lock:
            status = self._states.get(version)
        return status.loaded.digest if status and status.loaded else None

    def loading(self, version: int) -> None:
        """Note that a version is being tried."""
        with self._lock:
            self._states[version] = VersionStatus(version=version, state="loading")

    def abandoned(self, version: int) -> None:
        """Note that a version that was tried is not served."""
        with self._lock:
            self._states.pop(version, None)

    def serve(self, version: int, known: LoadedModel, *, default: bool) -> None:
        """Note that a version can be asked for."""
        with self._lock:
            self._states[version] = VersionStatus(version=version, state="serving", loaded=known)
            if default:
                self._default = version

    def make_default(self, version: int) -> None:
        """Note which version requests get which ask for none."""
        with self._lock:
            self._default = version

    def retire(self, version: int) -> None:
        """Note that a version gets no more requests."""
        with self._lock:
            status = self._states[version]
            self._states[version] = status.model_copy(update={"state": "retiring"})
            if self._default == version:
                self._default = None

    def retired(self, version: int) -> bool:
        """Note that the engine has let a version go; False where it has come back meanwhile."""
        with self._lock:
            status = self._states.get(version)
            if status is None or status.state != "retiring":
                return False
            del self._states[version]
            return True

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """Note which versions are not to be loaded, and why."""
        with self._lock:
            self._refused = dict(reasons)

    def versions(self) -> tuple[VersionStatus, ...]:
        """Describe all of them, newest first."""
        with self._lock:
            refused = {
                n: VersionStatus(version=n, state="refused", reason=reason)
                for n, reason in self._refused.items()
            }
            states = refused | self._states
        return tuple(states[n] for n in sorted(states, reverse=True))
