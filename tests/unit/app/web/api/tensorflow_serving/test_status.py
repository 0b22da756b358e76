"""GET /v1/models/...: states and signatures as TensorFlow Serving tells them."""

from __future__ import annotations

import pytest

from app.ipc.status import HostStatus, ModelStatus

SHAPES = "/v1/models/shapes"
OK = {"error_code": "OK", "error_message": ""}


def refusal(response, *others):
    assert "application/json" == response.content_type
    assert ["error", *others] == list(response.json)
    return response.status_code, response.json["error"]


def glyph(response):
    """Return the headers that are not TensorFlow Serving's."""
    return {name: value for name, value in response.headers if name.startswith("Glyph-")}


def test_the_status_of_a_model_is_told(client):
    """To the letter of the documentation's example."""
    response = client.get(SHAPES)

    assert (200, "application/json") == (response.status_code, response.content_type)
    assert response.text == (
        "{\n"
        ' "model_version_status": [\n'
        "  {\n"
        '   "version": "3",\n'
        '   "state": "AVAILABLE",\n'
        '   "status": {\n'
        '    "error_code": "OK",\n'
        '    "error_message": ""\n'
        "   }\n"
        "  }\n"
        " ]\n"
        "}\n"
    )


@pytest.mark.usefixtures("two_models")
def test_every_version_has_its_state(client):
    """One that was refused has ended, with the reason."""
    response = client.get(SHAPES)

    refused = {"error_code": "FAILED_PRECONDITION", "error_message": "golden image 2: NaN"}
    assert [
        {"version": "6", "state": "LOADING", "status": OK},
        {"version": "5", "state": "END", "status": refused},
        {"version": "4", "state": "AVAILABLE", "status": OK},
        {"version": "3", "state": "AVAILABLE", "status": OK},
        {"version": "2", "state": "UNLOADING", "status": OK},
    ] == response.json["model_version_status"]
    assert {"Glyph-Model": "shapes", "Glyph-Version": "3", "Glyph-Ready": "true"} == glyph(response)


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("which", "version", "state", "ready"),
    [
        ("versions/4", "4", "AVAILABLE", "true"),
        ("labels/canary", "4", "AVAILABLE", "true"),
        ("versions/6", "6", "LOADING", "false"),
        ("versions/5", "5", "END", "false"),
        ("versions/2", "2", "UNLOADING", "false"),
    ],
)
def test_one_version_may_be_asked(client, which, version, state, ready):
    """It is a 200 whatever the state; a header is for probes, which do not read it."""
    response = client.get(f"{SHAPES}/{which}")

    assert 200 == response.status_code
    assert [(version, state)] == [
        (one["version"], one["state"]) for one in response.json["model_version_status"]
    ]
    expected = {"Glyph-Model": "shapes", "Glyph-Version": version, "Glyph-Ready": ready}
    assert expected == glyph(response)


@pytest.mark.parametrize(
    ("changes", "version"),
    [({"ready": False}, {"Glyph-Version": "3"}), ({"default": None}, {})],
    ids=["the host is silent", "no default version"],
)
def test_what_cannot_be_asked_now_is_not_ready(client, channel, changes, version):
    """Though a version is available."""
    channel.status = HostStatus.of(channel.status.default.model_copy(update=changes))
    response = client.get(SHAPES)

    assert 200 == response.status_code
    assert {"Glyph-Model": "shapes", "Glyph-Ready": "false", **version} == glyph(response)


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("half", 404, "Could not find any versions of model half"),
        ("empty", 404, "Could not find any versions of model empty"),
        ("half/versions/7", 404, "Could not find version 7 of model half"),
        ("shapes/versions/7", 404, "Could not find version 7 of model shapes"),
        ("shapes/versions/0", 404, "Could not find version 0 of model shapes"),
        ("shapes/labels/next", 400, "Unrecognized servable version label: next"),
        ("half/labels/next", 400, "Unrecognized servable version label: next"),
        ("half/metadata", 404, "Servable not found for request: Latest(half)"),
        ("shapes/versions/7/metadata", 404, "Servable not found for request: Specific(shapes, 7)"),
        ("shapes/versions/0/metadata", 404, "Servable not found for request: Specific(shapes, 0)"),
        ("shapes/labels/next/metadata", 400, "Unrecognized servable version label: next"),
    ],
)
def test_what_is_not_there_is_not_found(client, path, status, sentence):
    """The sentences are those of the two that answer there."""
    assert (status, sentence) == refusal(client.get(f"/v1/models/{path}"))


@pytest.mark.parametrize("name", ["shapes", "wide"])
def test_while_the_host_starts_nothing_is_said_not_to_be_there(client, channel, name):
    """It is not known yet, and a probe must not take it for good."""
    channel.status = HostStatus.away("shapes", "it is being started", starting=True)
    response = client.get(f"/v1/models/{name}")

    assert (503, "it is being started") == refusal(response, "code")
    assert "1" == response.headers["Retry-After"]


@pytest.mark.parametrize("which", ["versions/7", "labels/next"])
def test_before_all_was_tried_nothing_is_said_not_to_be_there(client, channel, which):
    """A version or a label may be there once all that is wanted is loaded."""
    channel.status = HostStatus.of(channel.status.default.model_copy(update={"complete": False}))
    response = client.get(f"{SHAPES}/{which}")

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])


def test_versions_that_are_known_are_told_while_the_first_is_loaded(client, channel):
    """As there: a 200, with LOADING."""
    versions = channel.status.versions[0].model_copy(update={"state": "loading", "loaded": None})
    channel.status = HostStatus.of(
        ModelStatus(
            name="shapes", ready=False, starting=True, reason="loading", versions=(versions,)
        )
    )
    response = client.get(SHAPES)

    assert "LOADING" == response.json["model_version_status"][0]["state"]
    assert "false" == response.headers["Glyph-Ready"]


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("which", "version"),
    [("", "3"), ("/versions/4", "4"), ("/labels/canary", "4"), ("/LABELS/stable", "3")],
)
def test_the_signature_of_a_version_is_told(client, which, version):
    """With sizes as strings, and all that stands twice there."""
    response = client.get(f"{SHAPES}{which}/metadata")

    def dimensions(*sizes):
        return {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}

    assert {
        "model_spec": {"name": "shapes", "signature_name": "", "version": version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {
                            "images": {
                                "dtype": "DT_UINT8",
                                "tensor_shape": dimensions("-1", "2", "2", "1"),
                                "name": "serving_default_images:0",
                            }
                        },
                        "outputs": {
                            "probabilities": {
                                "dtype": "DT_FLOAT",
                                "tensor_shape": dimensions("-1", "3"),
                                "name": "StatefulPartitionedCall:0",
                            }
                        },
                        "method_name": "tensorflow/serving/predict",
                        "defaults": {},
                    }
                }
            }
        },
    } == response.json
    assert {"Glyph-Model": "shapes", "Glyph-Version": version} == glyph(response)
