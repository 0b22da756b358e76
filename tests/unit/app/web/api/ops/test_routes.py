"""What operators and the curious ask."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.ipc.status import HostStatus
from app.web.http.environ import DRAINING
from app.web.http.errors import HostLostError, NotReadyError


def samples(exposition: str) -> dict[str, float]:
    """Parse Prometheus' text; gives the value of every sample without labels."""
    families = list(text_string_to_metric_families(exposition))
    assert len(families) == len({family.name for family in families})
    return {s.name: s.value for family in families for s in family.samples if not s.labels}


PREPARATION = {"kind": "digit", "keep_exact": True, "keep_aspect": True, "invert": False}


def test_a_process_is_healthy_without_a_model(client, refused):  # noqa: ARG001 - it must be so
    """Restarting a web worker would not bring a model."""
    response = client.get("/healthz")

    assert (200, {"status": "alive"}) == (response.status_code, response.json)


def test_a_service_with_a_model_is_ready(client):
    """The versions are listed, with what is known of each."""
    response = client.get("/readyz")

    assert 200 == response.status_code
    assert {
        "status": "ready",
        "model": "shapes",
        "versions": [
            {
                "version": 3,
                "state": "serving",
                "runtime": "openvino",
                "precision": "bf16",
                "digest": "ab" * 32,
                "passed_over": ["openvino f32: it is slow"],
                "batch_limit": 2,
                "batch_seconds": {"1": 0.25, "2": 0.375, "4": 0.75},
                "accuracy": 0.9876,
                "classes": ["circle", "square", "star"],
                "input_shape": [2, 2, 1],
                "preparation": PREPARATION,
            }
        ],
        "store_trouble": None,
    } == response.json


def test_a_service_without_a_model_is_not_ready(client, refused):  # noqa: ARG001
    """It says why, and what was refused for what reason."""
    response = client.get("/readyz")

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert {
        "error": "every version was refused",
        "code": "model.not_ready",
        "model": "shapes",
        "versions": [{"version": 4, "state": "refused", "reason": "saved_model.pb: <is missing>"}],
        "store_trouble": None,
    } == response.json


def test_readiness_shows_that_the_store_is_away(client, channel):
    """What serves goes on serving, and the sentence says what is wrong."""
    channel.status = channel.status.model_copy(update={"store_trouble": "it does not answer"})
    response = client.get("/readyz")

    assert (200, "it does not answer") == (response.status_code, response.json["store_trouble"])


def test_a_service_that_shuts_down_is_not_ready(client):
    """Whoever spreads requests is told before connections are refused."""
    response = client.get("/readyz", environ_overrides={DRAINING: True})

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert "the service is shutting down" == response.json["error"]


def test_the_metrics_of_workers_and_host_are_joined(client):
    """Each family once, in Prometheus' format."""
    client.get("/healthz")
    response = client.get("/metrics")

    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (
        response.status_code,
        response.headers["Content-Type"],
    )
    found = samples(response.text)
    assert (1, 0) == (found["glyph_host_up"], found["glyph_queue_images"])
    assert 'glyph_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in (
        response.text
    )
    assert "\nglyph_build_info{" in response.text


def test_metrics_are_had_without_the_host(client, channel):
    """The web workers' own, and that the host is away."""
    channel.error = HostLostError("away")
    response = client.get("/metrics")

    found = samples(response.text)
    assert (200, 0) == (response.status_code, found["glyph_host_up"])
    assert "glyph_queue_images" not in found
    assert 1 == found["glyph_http_requests_in_progress"]


def test_metrics_do_not_wait_long_for_the_host(client, channel, clock):
    """Whoever scrapes has a timeout as well."""
    client.get("/metrics")

    assert [clock.now + 2] == channel.waits


def test_the_example_is_a_body_for_predict(client, channel):
    """What /example gives can be posted as it is, and is a golden image."""
    example = client.get("/example")
    answer = client.post("/predict", data=example.data, content_type="application/json")

    assert {"instances": [[[2, 0], [255, 7]]]} == example.json
    assert ("star", 200) == (answer.json["predictions"][0]["label"], answer.status_code)
    assert bytes([2, 0, 255, 7]) == channel.asked[0][1]


def test_the_example_keeps_its_channels(client, channel):
    """A colour image cannot be written as rows of numbers."""
    version = channel.status.versions[0]
    channel.examples[1, 2, 3] = bytes(range(6))
    colour = version.loaded.model_copy(update={"input_shape": (1, 2, 3)})
    versions = (version.model_copy(update={"loaded": colour}),)
    channel.status = HostStatus.of(channel.model().model_copy(update={"versions": versions}))

    assert {"instances": [[[[0, 1, 2], [3, 4, 5]]]]} == client.get("/example").json


def test_the_example_waits_for_the_first_version(client, channel, clock):
    """As long as a prediction would."""
    client.get("/example")

    assert [clock.now + 5] == channel.waits


def test_without_a_model_there_is_no_example(client, channel):
    """The reason is told."""
    channel.error = NotReadyError("the store is empty", retry_after_s=1)
    response = client.get("/example")

    assert 503 == response.status_code
    assert {"error": "the store is empty", "code": "model.not_ready"} == response.json


@pytest.mark.usefixtures("two_models")
def test_a_named_model_has_an_example(client):
    """In its own shape."""
    assert {"instances": [[[1, 0, 5]]]} == client.get("/models/wide/example").json
    assert 404 == client.get("/models/none/example").status_code
