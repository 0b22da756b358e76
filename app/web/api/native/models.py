"""GET /models and below: models, their versions and their states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response

from app.web.http.responses import json_response
from app.web.prediction.lookup import find_model, find_version, version_number
from app.web.prediction.model_views import describe_model, describe_one_version

if TYPE_CHECKING:
    from app.web.host_client.blocking import BlockingHost
    from app.web.prediction.canary import Traffic


def models_blueprint(channel: BlockingHost, traffic: Traffic) -> Blueprint:
    """Build the routes.

    Args:
        channel: Knows what the model host has announced.
        traffic: Knows the canaries.
    """
    blueprint = Blueprint("models", __name__)

    @blueprint.get("/models")
    def models() -> Response:
        status = channel.status
        return json_response(
            {
                "default": status.model,
                "models": [describe_model(model, traffic) for model in status.models],
                "store_trouble": status.store_trouble,
            }
        )

    @blueprint.get("/models/<name>")
    def model(name: str) -> Response:
        found = find_model(channel.status, name)
        trouble = channel.status.store_trouble
        return json_response(describe_model(found, traffic) | {"store_trouble": trouble})

    @blueprint.get("/models/<name>/versions/<version>")
    def version(name: str, version: str) -> Response:
        of_model = find_model(channel.status, name)
        found = find_version(of_model, version_number(version))
        return json_response(describe_one_version(of_model, found, traffic))

    return blueprint
