"""GET /v2/health/... and /v2/models/<name>[/versions/<version>]/ready: readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.web.http.environ import DRAINING
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotReadyError
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model, find_version, version_number

if TYPE_CHECKING:
    from flask import Response

    from app.ipc.status import HostStatus, ModelStatus, VersionStatus
    from app.web.host_client.blocking import BlockingHost


def readiness_blueprint(channel: BlockingHost) -> Blueprint:
    """Build the routes.

    Args:
        channel: Knows what the model host has announced.
    """
    blueprint = Blueprint("readiness", __name__, url_prefix="/v2")

    @blueprint.get("/health/live")
    def live() -> Response:
        return json_response({"live": True})

    @blueprint.get("/health/ready")
    def ready() -> Response:
        if request.environ.get(DRAINING):
            raise _not_ready("the service is shutting down", ErrorCode.SERVICE_DRAINING)
        reason = _why_not_ready(channel.status)
        if reason is not None:
            raise _not_ready(reason)
        return json_response({"ready": True})

    @blueprint.get("/models/<name>/ready")
    def model_ready(name: str) -> Response:
        check_model(find_model(channel.status, name))
        return json_response({"name": name, "ready": True})

    @blueprint.get("/models/<name>/versions/<version>/ready")
    def version_ready(name: str, version: str) -> Response:
        of_model = find_model(channel.status, name)
        found = find_version(of_model, version_number(version))
        check_model(of_model)
        check_version(of_model, found)
        return json_response({"name": name, "ready": True})

    return blueprint


def check_model(model: ModelStatus) -> None:
    """Check that a model is ready.

    Raises:
        NotReadyError: If nothing of it serves.
    """
    if not model.ready:
        raise _not_ready(_reason(model), name=model.name)


def check_version(model: ModelStatus, version: VersionStatus) -> None:
    """Check that a version is ready.

    Raises:
        NotReadyError: If it does not serve.
    """
    if version.state != "serving":
        because = f": {version.reason}" if version.reason else ""
        message = f"{model.name} version {version.version} is {version.state}{because}"
        raise _not_ready(message, name=model.name)


def _why_not_ready(status: HostStatus) -> str | None:
    """Return the reason of a model that is not ready; models unloaded on command do not count."""
    missed = [model for model in status.models if not (model.ready or model.unloaded)]
    if missed:
        return f"{missed[0].name}: {_reason(missed[0])}"
    return None if any(model.ready for model in status.models) else _reason(status.default)


def _reason(model: ModelStatus) -> str:
    return model.reason or f"no version of {model.name} serves"


def _not_ready(message: str, code: ErrorCode | None = None, **about: object) -> NotReadyError:
    return NotReadyError(message, code=code, retry_after_s=1, ready=False, **about)
