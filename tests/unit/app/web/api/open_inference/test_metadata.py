"""What the server, its models and versions say about themselves."""

from __future__ import annotations

import pytest

SHAPES = {
    "name": "shapes",
    "platform": "tensorflow_savedmodel",
    "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 2, 2, 1]}],
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
}


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_what_it_can(client, path):
    """With and without a slash, as the two texts of the protocol have it."""
    about = client.get(path).json

    assert {"name", "version", "extensions"} == about.keys()
    assert "glyph" == about["name"]
    assert {"binary_tensor_data", "classification", "statistics"} < set(about["extensions"])


@pytest.mark.usefixtures("two_models")
def test_a_model_says_what_it_takes_and_gives(client):
    """Its versions are those that can be asked."""
    assert SHAPES | {"versions": ["3", "4"]} == client.get("/v2/models/shapes").json


@pytest.mark.usefixtures("two_models")
def test_a_version_speaks_for_itself(client):
    """It names no other."""
    assert SHAPES | {"versions": ["4"]} == client.get("/v2/models/shapes/versions/4").json


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("none", 404, "there is no model 'none'; models: shapes, wide, empty"),
        ("empty", 503, "it is unloaded"),
        (
            "shapes/versions/9",
            404,
            "nothing is known of version 9 of shapes; versions: 6, 5, 4, 3, 2",
        ),
        ("shapes/versions/x", 404, "there is no version 'x'; versions are numbered from 1"),
        ("shapes/versions/5", 503, "shapes version 5 is refused: golden image 2: NaN"),
    ],
)
@pytest.mark.usefixtures("two_models")
def test_nothing_is_told_of_what_does_not_serve(client, path, status, sentence):
    """The sentence says why it does not."""
    response = client.get(f"/v2/models/{path}")

    assert (status, sentence) == (response.status_code, response.json["error"])
