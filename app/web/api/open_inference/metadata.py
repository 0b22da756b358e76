"""GET /v2 and /v2/models/<name>[/versions/<version>]: metadata of server and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.telemetry.build_info import glyph_version
from app.web.api.open_inference.inference_request import OUTPUT
from app.web.api.open_inference.readiness import check_model, check_version
from app.web.api.open_inference.tensors import INPUT
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model, find_version, version_number

if TYPE_CHECKING:
    from flask import Response

    from app.ipc.status import VersionStatus
    from app.web.host_client.blocking import BlockingHost

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
)
PLATFORM = "tensorflow_savedmodel"


def metadata_blueprint(channel: BlockingHost) -> Blueprint:
    """Build the routes.

    Args:
        channel: Knows what the model host has announced.
    """
    blueprint = Blueprint("metadata", __name__, url_prefix="/v2")

    @blueprint.get("", strict_slashes=False)  # one text of the protocol has a slash behind it
    def of_server() -> Response:
        return json_response(
            {"name": "glyph", "version": glyph_version(), "extensions": EXTENSIONS}
        )

    @blueprint.get("/models/<name>")
    def of_model(name: str) -> Response:
        found = find_model(channel.status, name)
        check_model(found)
        numbers = sorted(v.version for v in found.versions if v.state == "serving")
        return _describe(found.name, numbers, found.serving)

    @blueprint.get("/models/<name>/versions/<version>")
    def of_version(name: str, version: str) -> Response:
        found = find_model(channel.status, name)
        one = find_version(found, version_number(version))
        check_version(found, one)
        return _describe(found.name, [one.version], one)

    return blueprint


def _describe(model: str, numbers: list[int], serving: VersionStatus | None) -> Response:
    assert serving is not None and serving.loaded is not None  # noqa: S101, PT018 - it was checked
    loaded = serving.loaded
    return json_response(
        {
            "name": model,
            "versions": [str(number) for number in numbers],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *loaded.input_shape]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, len(loaded.classes)]}],
        }
    )
