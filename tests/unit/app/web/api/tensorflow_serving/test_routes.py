"""Which requests TensorFlow Serving's API takes, through the whole application."""

from __future__ import annotations

import pytest

SHAPES = "/v1/models/shapes"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/"),
        ("GET", "/V1/nothing"),
        ("GET", "/v1//models/shapes"),
        ("GET", f"{SHAPES}/"),
        ("GET", f"{SHAPES}:predict"),
        ("GET", f"{SHAPES}/version/1"),
        ("POST", SHAPES),
        ("POST", f"{SHAPES}:explain"),
        ("POST", f"{SHAPES}%3Aexplain"),
        ("PUT", f"{SHAPES}:predict"),
        ("PATCH", f"{SHAPES}/metadata"),
        ("DELETE", SHAPES),
        ("HEAD", SHAPES),
        ("OPTIONS", SHAPES),
        ("OPTIONS", f"{SHAPES}:predict"),
    ],
)
def test_anything_else_is_a_malformed_request(client, method, path):
    """No path below /v1/ is missing, no method is not allowed, and none is redirected."""
    response = client.open(path, method=method)

    assert (400, "application/json") == (response.status_code, response.content_type)
    assert {"error": f"Malformed request: {method} {path}"} == response.json


@pytest.mark.parametrize(
    "path", [f"{SHAPES}%3Apredict", "/v1/models/sh%61pes/versions/3%3apredict"]
)
def test_an_encoded_path_is_asked_for_a_prediction(client, path):
    """As KServe takes it."""
    body = {"instances": [[[2, 0], [0, 0]]]}
    response = client.post(path, json=body, environ_overrides={"RAW_URI": path})

    assert 200 == response.status_code, response.text


def test_no_list_of_models_is_told(client):
    """As there; GET /models is the one."""
    response = client.get("/v1/models")

    assert (400, "Missing model name in request.") == (response.status_code, response.json["error"])


def test_a_path_without_the_slash_is_none_of_it(client):
    """Nor is what only begins alike."""
    assert [404, 404] == [client.get(path).status_code for path in ("/v1", "/v1x/models")]


def test_a_query_is_not_looked_at(client):
    """It is no part of a path."""
    assert 200 == client.get(f"{SHAPES}?verbose=1").status_code
    assert 200 == client.get(f"{SHAPES}?a=%20").status_code


def test_a_name_may_be_encoded(client):
    """And may then hold anything."""
    assert 200 == client.get("/v1/models/sh%61pes").status_code
    answer = client.get("/v1/models/a%2Fb")
    assert "Could not find any versions of model a/b" == answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", f"{SHAPES}:predict", "/v1/models/<name>:predict"),
        (
            "POST",
            f"{SHAPES}/versions/3:predict",
            "/v1/models/<name>/versions/<version>:predict",
        ),
        ("POST", f"{SHAPES}/labels/a:predict", "/v1/models/<name>/labels/<label>:predict"),
        ("GET", SHAPES, "/v1/models/<name>"),
        ("GET", f"{SHAPES}/versions/3", "/v1/models/<name>/versions/<version>"),
        ("GET", f"{SHAPES}/labels/a/metadata", "/v1/models/<name>/labels/<label>/metadata"),
        ("GET", "/v1/other/path", "/v1/<rest:rest>"),
        ("PUT", f"{SHAPES}:predict", "/v1/<rest:rest>"),
    ],
)
def test_what_is_asked_most_has_its_own_name_in_metrics(client, registry, method, path, route):
    """All else has one together."""
    status = str(client.open(path, method=method).status_code)

    labels = {"route": route, "method": method, "status": status}
    assert 1 == registry.get_sample_value("glyph_http_requests_total", labels)
