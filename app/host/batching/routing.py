"""Which versions of which models can be asked for, and which of them are on their way out.

Books only; whoever owns a `Lineup` guards it with a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.ipc.frames import Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.batching.cost_model import Curve
    from app.host.runtimes.base import Model


class Lane(NamedTuple):
    """Which jobs share batches."""

    model: str
    version: int
    background: bool = False


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that passed its trial and waits for work."""

    name: str
    version: int
    model: Model
    curve: Curve
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    digest: str = ""
    """Of its manifest."""
    example: bytes = b""
    """One golden image: uint8, row-major."""

    def lane(self, *, background: bool = False) -> Lane:
        """Name the lane of its jobs."""
        return Lane(self.name, self.version, background)


class Lineup:
    """The loaded versions of all models."""

    def __init__(self) -> None:
        self._versions: dict[Lane, LoadedVersion] = {}
        """By their lane in the foreground."""
        self._defaults: dict[str, LoadedVersion] = {}
        """By model; they are among the versions."""
        self._retiring: set[Lane] = set()

    def enter(self, version: LoadedVersion) -> None:
        """Let a version be asked for."""
        self._versions[version.lane()] = version
        self._retiring.discard(version.lane())

    def make_default(self, model: str, version: int) -> None:
        """Give a version to whoever asks for none."""
        self._defaults[model] = self._versions[Lane(model, version)]

    def retire(self, model: str, version: int) -> None:
        """Let a version be asked for no more."""
        self._retiring.add(Lane(model, version))
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
        lane = Lane(model, version)
        return None if lane in self._retiring else self._versions.get(lane)

    def of(self, lane: Lane) -> LoadedVersion:
        """Give what computes a lane's batches; it may be on its way out."""
        return self._versions[lane._replace(background=False)]

    def loaded(self, model: str, version: int) -> LoadedVersion | None:
        """Give a version that is there; it may be on its way out."""
        return self._versions.get(Lane(model, version))

    def let_go(self, idle: Callable[[Lane], bool]) -> list[Lane]:
        """Drop the versions that retire and have nothing to do in either lane; gives both lanes."""
        gone = []
        for lane in list(self._retiring):
            lanes = [lane, lane._replace(background=True)]
            if all(map(idle, lanes)):
                self._retiring.discard(lane)
                self._versions.pop(lane, None)
                gone += lanes
        return gone
