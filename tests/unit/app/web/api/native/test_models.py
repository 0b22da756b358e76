"""GET /models and below."""

from __future__ import annotations

import pytest

from app.ipc.status import CanaryStatus, HostStatus

pytestmark = pytest.mark.usefixtures("two_models")


@pytest.fixture
def change_shapes(channel):
    """Return a function that changes the status of the first model."""

    def run(**changes):
        shapes, *others = channel.status.models
        channel.status = HostStatus.of(shapes.model_copy(update=changes), *others)

    return run


def test_every_model_is_listed(client, channel):
    """The default one first, each with its versions; trouble with the store is told."""
    channel.status = channel.status.model_copy(update={"store_trouble": "it is away"})
    answer = client.get("/models").json

    assert ("shapes", "it is away") == (answer["default"], answer["store_trouble"])
    assert [("shapes", True, 3, 5), ("wide", True, 1, 1), ("empty", False, None, 0)] == [
        (m["name"], m["ready"], m["default_version"], len(m["versions"])) for m in answer["models"]
    ]
    assert "it is unloaded" == answer["models"][2]["reason"]


def test_a_model_tells_what_was_decided_about_it(client):
    """Policy, pin, labels, traffic; and every version with its state and reason."""
    answer = client.get("/models/shapes").json

    assert {
        "name": "shapes",
        "ready": True,
        "reason": None,
        "default_version": 3,
        "policy": "latest:2",
        "pinned": 3,
        "labels": {"stable": 3, "canary": 4},
        "traffic": {
            "default": {"version": 3, "percent": 100},
            "canary": None,
            "shadow": None,
        },
        "store_trouble": None,
    } == {key: value for key, value in answer.items() if key != "versions"}
    assert [
        (6, "loading", None),
        (5, "refused", "golden image 2: NaN"),
        (4, "serving", None),
        (3, "serving", None),
        (2, "retiring", None),
    ] == [(v["version"], v["state"], v.get("reason")) for v in answer["versions"]]


def test_a_version_tells_all_that_is_known_of_it(client):
    """Its fingerprint, runtime and batch curve, and what its model has to do with it."""
    assert {
        "model": "shapes",
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
        "preparation": {
            "kind": "digit",
            "keep_exact": True,
            "keep_aspect": True,
            "invert": False,
        },
        "default": True,
        "pinned": True,
        "labels": ["stable"],
        "traffic": {"default": {"version": 3, "percent": 100}},
    } == client.get("/models/shapes/versions/3").json


def test_a_version_that_does_not_serve_tells_why(client):
    """What is refused is known, too."""
    assert {
        "model": "shapes",
        "version": 5,
        "state": "refused",
        "reason": "golden image 2: NaN",
        "default": False,
        "pinned": False,
        "labels": [],
        "traffic": {},
    } == client.get("/models/shapes/versions/5").json


def test_shares_of_the_traffic_are_told(client, change_shapes):
    """The canary's is taken from the default version's, the shadow's is not."""
    change_shapes(
        canary=CanaryStatus(version=4, label="canary", percent=12.5, sticky_header="X-User"),
        shadow=CanaryStatus(version=4, label="next", percent=5),
    )
    canary = {"version": 4, "label": "canary", "percent": 12.5, "sticky_header": "X-User"}
    shadow = {"version": 4, "label": "next", "percent": 5}

    assert {
        "default": {"version": 3, "percent": 87.5},
        "canary": canary,
        "shadow": shadow,
    } == client.get("/models/shapes").json["traffic"]
    assert {"canary": canary, "shadow": shadow} == (
        client.get("/models/shapes/versions/4").json["traffic"]
    )


def test_a_canary_that_gets_nothing_tells_why(client, change_shapes):
    """The default version then has all."""
    change_shapes(canary=CanaryStatus(version=6, label="canary", percent=10))
    traffic = client.get("/models/shapes").json["traffic"]

    assert 100 == traffic["default"]["percent"]
    assert "version 6 does not serve" == traffic["canary"]["idle"]


def test_the_share_of_a_setting_is_told_as_well(make_app):
    """Whoever looks sees what happens, wherever it was decided."""
    client = make_app(canary="canary=20").test_client()

    assert 20 == client.get("/models/shapes").json["traffic"]["canary"]["percent"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("none", "there is no model 'none'; models: shapes, wide, empty"),
        ("none/versions/1", "there is no model 'none'; models: shapes, wide, empty"),
        (
            "shapes/versions/9",
            "nothing is known of version 9 of shapes; versions: 6, 5, 4, 3, 2",
        ),
        ("empty/versions/1", "nothing is known of version 1 of empty; versions: none"),
        ("shapes/versions/x", "there is no version 'x'; versions are numbered from 1"),
    ],
)
def test_what_is_not_there_is_not_found(client, path, sentence):
    """The sentence lists what is."""
    response = client.get(f"/models/{path}")

    assert 404 == response.status_code
    code = "version.not_found" if "version" in sentence else "model.not_found"
    assert {"error": sentence, "code": code} == response.json


def test_while_the_host_starts_nothing_is_said_not_to_be_there(client, channel):
    """It is not known yet."""
    channel.status = HostStatus.away("shapes", "it is being started", starting=True)
    response = client.get("/models/wide")

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert {"error": "it is being started", "code": "model.not_ready"} == response.json


@pytest.mark.parametrize("path", ["versions/9", "labels/next/predict"])
def test_before_all_was_tried_nothing_is_said_not_to_be_there(client, change_shapes, path):
    """A version or a label may be there once all that is wanted is loaded."""
    change_shapes(complete=False)
    ask = client.post if path.endswith("predict") else client.get
    response = ask(f"/models/shapes/{path}", json={"instances": [[[0, 0], [0, 0]]]})

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert response.json["error"].endswith("not known yet: versions are still being loaded")


def test_without_a_host_no_model_is_said_not_to_be_there(client, channel):
    """Though nobody expects the host soon."""
    channel.status = HostStatus.away("", "it is silent", starting=False)
    response = client.get("/models/wide")

    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert {"error": "it is silent", "code": "model.not_ready"} == response.json
