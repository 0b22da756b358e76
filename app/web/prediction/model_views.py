"""JSON descriptions of models and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.prediction.canary import why_idle

if TYPE_CHECKING:
    from app.ipc.status import CanaryStatus, ModelStatus, VersionStatus
    from app.web.prediction.canary import Traffic

_WHOLE = 100.0


def describe_model(model: ModelStatus, traffic: Traffic) -> dict[str, Any]:
    """Return the description of a model: state, control document, traffic and versions."""
    return {
        "name": model.name,
        "ready": model.ready,
        "reason": model.reason,
        "default_version": model.default,
        "policy": model.policy,
        "pinned": model.pinned,
        "labels": model.labels,
        "traffic": describe_traffic(model, traffic),
        "versions": [describe_version(version) for version in model.versions],
    }


def describe_one_version(
    model: ModelStatus, version: VersionStatus, traffic: Traffic
) -> dict[str, Any]:
    """Return the description of a version, with its role in its model."""
    shares = describe_traffic(model, traffic)
    return {
        "model": model.name,
        **describe_version(version),
        "default": version.version == model.default,
        "pinned": version.version == model.pinned,
        "labels": [name for name, number in model.labels.items() if number == version.version],
        "traffic": {
            side: share
            for side, share in shares.items()
            if share is not None and share["version"] == version.version
        },
    }


def describe_version(version: VersionStatus) -> dict[str, Any]:
    """Return the description of a version without its example, in one level."""
    about = version.model_dump(exclude_none=True)
    loaded: dict[str, Any] = about.pop("loaded", {})
    loaded.pop("example", None)
    return {**about, **loaded}


def describe_traffic(model: ModelStatus, traffic: Traffic) -> dict[str, Any]:
    """Return the shares of the requests without a version, in percent."""
    canary = traffic.canary(model)
    idle = why_idle(model, canary) if canary is not None else None
    taken = canary.percent if canary is not None and idle is None else 0.0
    default = {"version": model.default, "percent": _WHOLE - taken}
    return {
        "default": default if model.default is not None else None,
        "canary": _share(canary, idle),
        "shadow": _share(model.shadow, None),
    }


def _share(canary: CanaryStatus | None, idle: str | None) -> dict[str, Any] | None:
    if canary is None:
        return None
    about = canary.model_dump(exclude_none=True)
    return about | ({"idle": idle} if idle is not None else {})
