"""Derives the status of a model: which versions serve, and if none does, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ipc.status import CanaryStatus, ModelStatus, VersionStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.config.share import Share
    from app.host.batching.routing import Routes
    from model_store import Canary, Control, Shadow, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model at one moment."""

    name: str
    store: Store
    """Asked for nothing but its location."""
    present: Collection[int]
    """The versions in the store."""
    control: Control
    policy: str
    """Version policy, unless the control document has one."""
    shadow: Share | None
    """Shadow, unless the control document has one."""
    routes: Routes
    loading: int | None
    """The version that is being tried or loaded; it may serve by now."""
    refused: Mapping[int, str]
    """Versions that must not be loaded, and why."""
    awaited: Collection[int]
    """Versions that are to serve and do not yet."""
    synced: bool
    """The store has been polled."""
    planned: bool
    """The versions that are to serve are known."""
    trouble: str | None
    """Why the store could not be read."""

    def status(self) -> ModelStatus:
        """Return the status."""
        versions, control, serving = self._versions(), self.control, self.routes.serving
        starting = not self.synced or any(v.state == "loading" for v in versions)
        starting |= bool(self.awaited)
        ready = self.routes.default is not None
        return ModelStatus(
            name=self.name,
            ready=ready,
            starting=starting and not ready,
            unloaded=control.unloaded,
            reason=None if ready else self._reason_not_ready(versions, starting=starting),
            complete=self.planned and set(self.awaited) <= {v.version for v in versions},
            default=self.routes.default,
            versions=versions,
            labels={label: n for label, n in control.labels.items() if n in serving},
            pinned=control.pinned,
            policy=control.policy or self.policy,
            canary=self._share(control.canary),
            shadow=self._share(control.shadow or self.shadow),
        )

    def _versions(self) -> tuple[VersionStatus, ...]:
        """Return the status of all versions, newest first."""
        states = {
            n: VersionStatus(version=n, state="refused", reason=reason)
            for n, reason in self.refused.items()
        }
        for n, version in self.routes.retiring.items():
            states[n] = VersionStatus(version=n, state="retiring", loaded=version.description)
        if self.loading is not None:
            states[self.loading] = VersionStatus(version=self.loading, state="loading")
        for n, version in self.routes.serving.items():
            states[n] = VersionStatus(version=n, state="serving", loaded=version.description)
        return tuple(states[n] for n in sorted(states, reverse=True))

    def _reason_not_ready(self, versions: tuple[VersionStatus, ...], *, starting: bool) -> str:
        if starting:
            return "the first version is being loaded"
        if self.trouble:
            return self.trouble
        if self.control.unloaded:
            return f"{self.name} was unloaded; glyph models load {self.name} takes it up again"
        refused = [f"version {v.version}: {v.reason}" for v in versions if v.state == "refused"]
        if refused:
            return "every version was refused: " + "; ".join(refused)
        if self.present:
            policy, have = self.control.policy or self.policy, sorted(self.present)
            return f"the version policy is {policy}; {self.name} has {', '.join(map(str, have))}"
        return (
            f"{self.store.location} holds no version of {self.name}; publish one with glyph train"
        )

    def _share(self, share: Canary | Shadow | Share | None) -> CanaryStatus | None:
        version = self.control.labels.get(share.label) if share else None
        if share is None or version not in self.routes.serving:
            return None
        return CanaryStatus(
            version=version,
            label=share.label,
            percent=share.percent,
            sticky_header=getattr(share, "sticky_header", None),
        )
