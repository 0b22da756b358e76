"""Routes requests to versions: which of them serve, which is the default, which retire.

Policy only; the owner of a `RoutingTable` guards it with a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.host.batching.batch_queue import BatchKey
from app.ipc.frames import Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.batching.cost_model import BatchCostModel
    from app.host.runtimes.base import Model


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that passed its trial, with its model in memory."""

    name: str
    version: int
    model: Model
    costs: BatchCostModel
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    digest: str = ""
    """Digest of its manifest."""
    example: bytes = b""
    """One golden image: uint8, row-major."""

    def batch_key(self, *, background: bool = False) -> BatchKey:
        """Return the batch key of its jobs."""
        return BatchKey(self.name, self.version, background)


class RoutingTable:
    """The loaded versions of all models, and the default version of each."""

    def __init__(self) -> None:
        self._versions: dict[BatchKey, LoadedVersion] = {}
        """By their foreground batch key."""
        self._defaults: dict[str, LoadedVersion] = {}
        """By model; each is one of the versions."""
        self._retiring: set[BatchKey] = set()

    def add(self, version: LoadedVersion) -> None:
        """Add a version that serves."""
        self._versions[version.batch_key()] = version
        self._retiring.discard(version.batch_key())

    def make_default(self, model: str, version: int) -> None:
        """Make a version the default of its model."""
        self._defaults[model] = self._versions[BatchKey(model, version)]

    def retire(self, model: str, version: int) -> None:
        """Route no more requests to a version."""
        self._retiring.add(BatchKey(model, version))
        default = self._defaults.get(model)
        if default is not None and default.version == version:
            del self._defaults[model]

    def find(self, model: str, version: int, *, or_default: bool) -> LoadedVersion | Refused:
        """Return the version for a request, or why there is none.

        Args:
            model: Name of the model.
            version: 0 is the default version.
            or_default: Fall back to the default version if that one does not serve.
        """
        if version and (found := self.available(model, version)):
            return found
        default = self._defaults.get(model)
        if default is None:
            return Refused(Refusal.NOT_READY, 1.0, f"no version of {model} is loaded")
        if version and not or_default:
            return Refused(Refusal.NOT_FOUND, 0.0, f"{model} version {version} does not serve")
        return default

    def available(self, model: str, version: int) -> LoadedVersion | None:
        """Return a version if it serves."""
        key = BatchKey(model, version)
        return None if key in self._retiring else self._versions.get(key)

    def of(self, key: BatchKey) -> LoadedVersion:
        """Return the version that computes a key's batches; it may be retiring."""
        return self._versions[key._replace(background=False)]

    def loaded(self, model: str, version: int) -> LoadedVersion | None:
        """Return a version in memory; it may be retiring."""
        return self._versions.get(BatchKey(model, version))

    def drop_idle(self, idle: Callable[[BatchKey], bool]) -> list[BatchKey]:
        """Remove retiring versions without work; return their foreground and background keys."""
        gone = []
        for key in list(self._retiring):
            keys = [key, key._replace(background=True)]
            if all(map(idle, keys)):
                self._retiring.discard(key)
                self._versions.pop(key, None)
                gone += keys
        return gone
