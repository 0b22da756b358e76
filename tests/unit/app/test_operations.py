"""What operators and the curious ask."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from app.draining_server import DRAINING
from app.status import HostStatus, ModelStatus, VersionStatus
from app.web.errors import HostLostError, NotReadyError

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def refused(channel):
    """Let no version serve, and one be refused."""
    version = VersionStatus(version=4, state="refused", reason="saved_model.pb: <is missing>")
    channel.status = HostStatus.of(
        ModelStatus(
            name="shapes", ready=False, reason="every version was refused", versions=(version,)
        )
    )


def samples(exposition: str) -> dict[str, float]:
    """Parse Prometheus' text; gives the value of every sample without labels."""
    families = list(text_string_to_metric_families(exposition))
    assert len(families) == len({family.name for family in families})
    return {s.name: s.value for family in families for s in family.samples if not s.labels}


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
            }
        ],
    } == response.json


def test_a_service_without_a_model_is_not_ready(client, refused):  # noqa: ARG001
    """It says why, and what was refused for what reason."""
    response = client.get("/readyz")

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert {
        "error": "every version was refused",
        "model": "shapes",
        "versions": [{"version": 4, "state": "refused", "reason": "saved_model.pb: <is missing>"}],
    } == response.json


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
    example = base64.b64encode(bytes(range(6))).decode()
    colour = version.loaded.model_copy(update={"input_shape": (1, 2, 3), "example": example})
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

    assert (503, {"error": "the store is empty"}) == (response.status_code, response.json)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"], ids=["none", "curl", "JSON"])
def test_programs_get_a_front_page_of_json(client, accept):
    """What serves, and what can be asked."""
    response = client.get("/", headers={"Accept": accept})

    assert "application/json" == response.headers["Content-Type"]
    assert ("glyph", {"name": "shapes", "version": 3}) == (
        response.json["service"],
        response.json["model"],
    )
    assert "classify images with the default model" == response.json["routes"]["POST /predict"]


def test_every_route_that_the_front_page_names_is_there(client):
    """And the other way round: nothing is served that it does not name, but itself."""
    named = set(client.get("/").json["routes"]) | {"GET /"}
    rules = client.application.url_map.iter_rules()

    assert named == {
        f"{method} {rule.rule}" for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_the_front_page_of_json_without_a_model(client, refused):  # noqa: ARG001
    """The version is null."""
    assert {"name": "shapes", "version": None} == client.get("/").json["model"]


@pytest.mark.usefixtures("two_models")
def test_every_model_is_on_the_front_page(client):
    """In JSON and for people; one that does not serve says why."""
    models = client.get("/").json["models"]
    page = client.get("/", headers=BROWSER).text

    assert [("shapes", 3), ("wide", 1), ("empty", None)] == [
        (model["name"], model["version"]) for model in models
    ]
    assert "<strong>wide</strong> version 1" in page
    assert "No version of <strong>empty</strong> serves: it is unloaded" in page
    assert "shapes version 5 was refused: golden image 2: NaN" in page
    assert "canary is version 4." in page


def test_a_store_that_cannot_be_read_is_on_the_front_page(client, channel):
    """What serves goes on, so nothing else would tell."""
    channel.status = channel.status.model_copy(update={"store_trouble": "the bucket is <away>"})

    page = client.get("/", headers=BROWSER).text

    assert "The store cannot be read: the bucket is &lt;away&gt;" in page


@pytest.mark.usefixtures("two_models")
def test_a_named_model_has_an_example(client):
    """In its own shape."""
    assert {"instances": [[[1, 0, 5]]]} == client.get("/models/wide/example").json
    assert 404 == client.get("/models/none/example").status_code


def test_people_get_a_page(client):
    """What serves, its classes and accuracy, a curl with the address that they used."""
    response = client.get("/", headers=BROWSER, base_url="http://glyph.example:8080")
    page = response.text

    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    assert re.search(r"<strong>shapes</strong> version 3,\s+openvino \(bf16\)", page)
    assert "Classes: circle, square, star." in page
    assert "98.76 %" in page
    assert "curl -s http://glyph.example:8080/example |" in page
    assert "http://glyph.example:8080/predict</pre>" in page


def test_the_page_draws_the_example(client):
    """Dark ink on white, as it would be on paper."""
    page = client.get("/", headers=BROWSER).text
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))

    assert [[253, 255], [0, 248]] == np.asarray(picture).tolist()


def test_the_page_runs_nothing(client):
    """Its policy lets in no script, and nothing from elsewhere."""
    policy = client.get("/", headers=BROWSER).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none';")
    assert "script" not in policy


def test_the_page_tells_why_nothing_serves(client, refused):  # noqa: ARG001
    """Reasons are shown as text: a file's name is no markup."""
    page = client.get("/", headers=BROWSER).text

    assert "No version of <strong>shapes</strong> serves: every version was refused" in page
    assert "shapes version 4 was refused: saved_model.pb: &lt;is missing&gt;" in page
    assert "Try it" not in page
