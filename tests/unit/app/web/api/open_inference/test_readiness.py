"""Who can be asked now: the server, a model, a version."""

from __future__ import annotations

import pytest

from app.ipc.status import HostStatus, ModelStatus
from app.web.http.environ import DRAINING

LOST = ModelStatus(name="lost", ready=False, reason="every version was refused")
UNLOADED = ModelStatus(name="unloaded", ready=False, unloaded=True, reason="it was unloaded")


def test_it_lives_without_a_host(client, channel):
    """Alive is who answers."""
    channel.status = HostStatus.away("shapes", "gone", starting=False)

    response = client.get("/v2/health/live")

    assert (200, {"live": True}) == (response.status_code, response.json)


def test_it_is_ready(client):
    """The one model serves."""
    response = client.get("/v2/health/ready")

    assert (200, {"ready": True}) == (response.status_code, response.json)


def test_every_model_must_serve(client, channel):
    """One that does not is named."""
    channel.status = HostStatus.of(*channel.status.models, LOST)

    response = client.get("/v2/health/ready")

    assert 503 == response.status_code
    assert {
        "error": "lost: every version was refused",
        "code": "model.not_ready",
        "ready": False,
    } == response.json
    assert "1" == response.headers["Retry-After"]


def test_what_was_unloaded_is_not_missed(client, channel):
    """Unless there is nothing else."""
    models = channel.status.models

    channel.status = HostStatus.of(*models, UNLOADED)
    assert 200 == client.get("/v2/health/ready").status_code

    channel.status = HostStatus.of(UNLOADED)
    response = client.get("/v2/health/ready")
    assert (503, "it was unloaded") == (response.status_code, response.json["error"])


def test_it_is_not_ready_while_it_ends(client):
    """So that no more requests are sent here."""
    response = client.get("/v2/health/ready", environ_overrides={DRAINING: True})

    assert (503, False) == (response.status_code, response.json["ready"])


@pytest.mark.parametrize("path", ["shapes", "shapes/versions/3", "shapes/versions/4"])
@pytest.mark.usefixtures("two_models")
def test_what_can_be_asked_is_ready(client, path):
    """The default version, and any other that serves."""
    response = client.get(f"/v2/models/{path}/ready")

    assert (200, {"name": "shapes", "ready": True}) == (response.status_code, response.json)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("empty", 503, "it is unloaded"),
        ("shapes/versions/6", 503, "shapes version 6 is loading"),
        ("shapes/versions/5", 503, "shapes version 5 is refused: golden image 2: NaN"),
        ("shapes/versions/2", 503, "shapes version 2 is retiring"),
        (
            "shapes/versions/9",
            404,
            "nothing is known of version 9 of shapes; versions: 6, 5, 4, 3, 2",
        ),
        ("none", 404, "there is no model 'none'; models: shapes, wide, empty"),
    ],
)
@pytest.mark.usefixtures("two_models")
def test_what_cannot_be_asked_is_not(client, path, status, sentence):
    """Known or not known are two things."""
    response = client.get(f"/v2/models/{path}/ready")

    assert (status, sentence) == (response.status_code, response.json["error"])


def test_no_version_is_ready_without_a_host(client, channel):
    """Its model says why."""
    model = channel.status.default.model_copy(update={"ready": False, "reason": "it is silent"})
    channel.status = HostStatus.of(model)

    response = client.get("/v2/models/shapes/versions/3/ready")

    assert (503, "it is silent") == (response.status_code, response.json["error"])
