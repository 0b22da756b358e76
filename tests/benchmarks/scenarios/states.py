"""What a service says of a model and its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_store import Store
    from tests.service import Service


def described(service: Service, model: str = "mnist") -> dict[str, Any]:
    """Return the answer of GET /models/<name>; an empty one if the model is not known."""
    try:
        answer = service.get(f"/models/{model}")
    except requests.RequestException:
        return {}
    found: dict[str, Any] = answer.json() if answer.ok else {}
    return found


def states(service: Service, model: str = "mnist") -> dict[int, str]:
    """Return the state of every version that the service knows."""
    return {one["version"]: one["state"] for one in described(service, model).get("versions", [])}


def default_of(service: Service, model: str = "mnist") -> int | None:
    """Return the version that answers requests without a version."""
    return described(service, model).get("default_version")


def wait_for_default(service: Service, version: int, model: str = "mnist") -> None:
    """Wait until a version answers whoever asks for none."""
    wait_until(lambda: default_of(service, model) == version, f"{model} {version} is the default")


def wait_until_passed(store: Store, version: int, model: str = "mnist") -> None:
    """Wait until the store knows that a version can be promoted, labelled or split to."""
    wait_until(lambda: version in store.control(model).passed, f"{model} {version} has passed")


def refusal(service: Service, version: int, model: str = "mnist") -> str | None:
    """Return the reason why a version is rejected; None if it is not."""
    versions = described(service, model).get("versions", [])
    states = {one["version"]: one for one in versions if one["state"] == "refused"}
    return states[version]["reason"] if version in states else None


def refusals(service: Service, versions: Mapping[str, int]) -> dict[str, str]:
    """Wait until versions are refused; gives the reasons, under the same names."""
    waited = (
        (name, wait_until(lambda v=version: refusal(service, v), f"{name} is refused"))
        for name, version in versions.items()
    )
    return dict(waited)
