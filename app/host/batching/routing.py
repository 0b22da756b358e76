"""Which versions of which models can be asked for, and which of them are on their way out.

Books only; whoever owns a `Lineup` guards it with a lock.
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
    """A version that passed its trial and waits for work."""

    name: str
    version: int
    model: Model
    costs: BatchCostModel
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    digest: str = ""
    """Of its manifest."""
    example: bytes = b""
    """One golden image: uint8, row-major."""

    def batch_key(self, *, background: bool = False) -> BatchKey:
        """Name the lane of its jobs."""
        return BatchKey(self.name, self.version, background)


class RoutingTable:
    """The loaded versions of all models."""

    def __init__(self) -> None:
        self._versions: dict[BatchKey, LoadedVersion] = {}
        """By their lane in the foreground."""
        self._defaults: dict[str, LoadedVersion] = {}
        """By model; they are among the versions."""
        self._retiring: set[BatchKey] = set()

    def enter(self, version: LoadedVersion) -> None:
        """Let a version be asked for."""
        self._versions[version.batch_key()] = version
        self._retiring.discard(version.batch_key())

    def make_default(self, model: str, version: int) -> None:
        """Give a version to whoever asks for none."""
        self._defaults[model] = self._versions[BatchKey(model, version)]

    def retire(self, model: str, version: int) -> None:
        """Let a version be asked for no more."""
        self._retiring.add(BatchKey(model, version))
        default = self._defaults.get(model)
        if default is not None and default.version == version:
            del self._defaults[model]

    def find(self, model: str, version: int, *, or_default: bool) -> LoadedVersion | Refused:
        """Find what is to answer a request, or say why nothing can.

        Args:
            model: Its name.
            version: 0 is its default one.
            or_default: If that version cannot be asked for, the default one will do.
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
        """Give a version that can be asked for."""
        key = BatchKey(model, version)
        return None if key in self._retiring else self._versions.get(key)

    def of(self, key: BatchKey) -> LoadedVersion:
        """Give what computes a lane's batches; it may be on its way out."""
        return self._versions[key._replace(background=False)]

    def loaded(self, model: str, version: int) -> LoadedVersion | None:
        """Give a version that is there; it may be on its way out."""
        return self._versions.get(BatchKey(model, version))

    def drop_idle(self, idle: Callable[[BatchKey], bool]) -> list[BatchKey]:
        """Drop the versions that retire and have nothing to do in either lane; gives both keys."""
        gone = []
        for key in list(self._retiring):
            keys = [key, key._replace(background=True)]
            if all(map(idle, keys)):
                self._retiring.discard(key)
                self._versions.pop(key, None)
                gone += keys
        return gone
