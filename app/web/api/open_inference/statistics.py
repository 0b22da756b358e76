"""GET /v2/models[/<name>[/versions/<version>]]/stats: statistics of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from app.ipc.statistics import Duration, VersionStatistics
from app.web.api.open_inference.readiness import check_version
from app.web.http.environ import STARTED
from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model, find_version, version_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Response

    from app.ipc.status import ModelStatus
    from app.web.host_client.blocking import BlockingHost

_TIMEOUT_S = 2.0
_NONE = Duration()


def statistics_blueprint(channel: BlockingHost) -> Blueprint:
    """Build the routes.

    Args:
        channel: Calls the model host.
    """
    blueprint = Blueprint("statistics", __name__, url_prefix="/v2/models")

    @blueprint.get("/stats")
    def of_all() -> Response:
        return answer(which for model in channel.status.models for which in _serving(model))

    @blueprint.get("/<name>/stats")
    def of_model(name: str) -> Response:
        return answer(_serving(find_model(channel.status, name)))

    @blueprint.get("/<name>/versions/<version>/stats")
    def of_version(name: str, version: str) -> Response:
        model = find_model(channel.status, name)
        found = find_version(model, version_number(version))
        check_version(model, found)
        return answer([(name, found.version)])

    def answer(versions: Iterable[tuple[str, int]]) -> Response:
        counts = channel.statistics(request.environ[STARTED] + _TIMEOUT_S)
        found = {(of.model, of.version): of for of in counts}
        return json_response(
            {"model_stats": [_describe(found.get(v) or VersionStatistics(*v)) for v in versions]}
        )

    return blueprint


def _serving(model: ModelStatus) -> list[tuple[str, int]]:
    return [(model.name, v.version) for v in model.versions if v.state == "serving"]


def _describe(of: VersionStatistics) -> dict[str, Any]:
    """Return the statistics in the protocol's terms.

    The copies into and out of a batch are not measured apart from its computation, and there is no
    cache.
    """
    copied = Duration(of.inference.count)
    return {
        "name": of.model,
        "version": str(of.version),
        "last_inference": int(of.last_at * 1000),
        "inference_count": of.images,
        "execution_count": sum(duration.count for duration in of.batches.values()),
        "inference_stats": {
            "success": _total(of.success),
            "fail": _total(of.fail),
            "queue": _total(of.queue),
            "compute_input": _total(copied),
            "compute_infer": _total(of.inference),
            "compute_output": _total(copied),
            "cache_hit": _total(_NONE),
            "cache_miss": _total(_NONE),
        },
        "batch_stats": [
            {
                "batch_size": size,
                "compute_input": _total(Duration(duration.count)),
                "compute_infer": _total(duration),
                "compute_output": _total(Duration(duration.count)),
            }
            for size, duration in sorted(of.batches.items())
        ],
    }


def _total(duration: Duration) -> dict[str, int]:
    return {"count": duration.count, "ns": round(duration.seconds * 1e9)}
