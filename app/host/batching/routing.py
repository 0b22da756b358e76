"""Routes requests to versions: which of them serve, which is the default, which retire.

Policy only. The owner of a `RoutingTable` guards it with a lock; any thread may read its snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.host.batching.jobs import BatchKey
from app.ipc.frames import Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.host.batching.loaded_version import LoadedVersion


@dataclass(frozen=True, slots=True)
class Routes:
    """The versions of one model in memory, by their numbers. A snapshot: a change makes another."""

    serving: Mapping[int, LoadedVersion] = field(default_factory=dict)
    """Get requests."""
    retiring: Mapping[int, LoadedVersion] = field(default_factory=dict)
    """Get none any more; their last ones are being answered."""
    default: int | None = None
    """The serving version for requests that name none."""

    def loaded(self, version: int) -> LoadedVersion | None:
        """Return a version in memory; it may be retiring."""
        return self.serving.get(version) or self.retiring.get(version)


NO_ROUTES = Routes()


class RoutingTable:
    """The versions of all models in memory, and the default version of each."""

    def __init__(self) -> None:
        self.routes: dict[str, Routes] = {}
        """By model."""
        self.retiring: list[BatchKey] = []
        """Those of all models, as after every batch it is asked whether there are any."""

    def add(self, version: LoadedVersion, *, default: bool) -> None:
        """Add a version that serves."""
        before, number = self._of(version.name), version.version
        self._set(
            version.name,
            Routes(
                {**before.serving, number: version},
                _without(before.retiring, number),
                number if default else before.default,
            ),
        )

    def make_default(self, model: str, version: int) -> None:
        """Make a serving version the default of its model."""
        self._set(model, replace(self.routes[model], default=version))

    def retire(self, model: str, version: int) -> None:
        """Route no more requests to a version, if it serves."""
        before = self._of(model)
        if loaded := before.serving.get(version):
            self._set(
                model,
                Routes(
                    _without(before.serving, version),
                    {**before.retiring, version: loaded},
                    None if before.default == version else before.default,
                ),
            )

    def find(self, model: str, version: int, *, or_default: bool) -> LoadedVersion | Refused:
        """Return the version for a request, or why there is none.

        Args:
            model: Name of the model.
            version: 0 is the default version.
            or_default: Fall back to the default version if that one does not serve.
        """
        routes = self._of(model)
        if version and (found := routes.serving.get(version)):
            return found
        if routes.default is None:
            return Refused(Refusal.NOT_READY, 1.0, f"no version of {model} is loaded")
        if version and not or_default:
            return Refused(Refusal.NOT_FOUND, 0.0, f"{model} version {version} does not serve")
        return routes.serving[routes.default]

    def available(self, model: str, version: int) -> LoadedVersion | None:
        """Return a version if it serves."""
        return self._of(model).serving.get(version)

    def of(self, key: BatchKey) -> LoadedVersion:
        """Return the version that computes a key's batches; it may be retiring."""
        routes = self.routes[key.model]
        return routes.serving.get(key.version) or routes.retiring[key.version]

    def loaded(self, model: str, version: int) -> LoadedVersion | None:
        """Return a version in memory; it may be retiring."""
        return self._of(model).loaded(version)

    def drop_idle(self, idle: Callable[[BatchKey], bool]) -> list[BatchKey]:
        """Remove retiring versions without work; return their foreground and background keys."""
        gone = []
        for key in self.retiring:
            keys = [key, key.in_background()]
            if all(map(idle, keys)):
                before = self.routes[key.model]
                retiring = _without(before.retiring, key.version)
                self._set(key.model, replace(before, retiring=retiring))
                gone += keys
        return gone

    def _of(self, model: str) -> Routes:
        return self.routes.get(model, NO_ROUTES)

    def _set(self, model: str, routes: Routes) -> None:
        self.routes[model] = routes
        self.retiring = [
            BatchKey(name, version) for name, r in self.routes.items() for version in r.retiring
        ]


def _without(versions: Mapping[int, LoadedVersion], version: int) -> Mapping[int, LoadedVersion]:
    return {number: loaded for number, loaded in versions.items() if number != version}
