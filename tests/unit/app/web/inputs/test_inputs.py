"""An image is the same image in every encoding: the host gets the very same pixels."""

from __future__ import annotations

import gzip
import json
import zlib

import numpy as np
import pytest

from app.web.inputs.picture_reader import PictureReader
from tests.benchmarks.scenarios.written import as_picture, ways

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (2, 2, 2), np.uint8)
IMAGES[:, 0, 0] = (1, 2)  # what the answer depends on
CODINGS = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
WAYS = {way.name: way for way in ways()}
EXACT = [name for name, way in WAYS.items() if way.exact]


@pytest.fixture(scope="module")
def real_reader():
    """Return a reader that decodes."""
    reader = PictureReader()
    yield reader
    reader.close()


@pytest.fixture
def reader(real_reader, clock, monkeypatch):
    """Let the application decode pictures, by its own clock."""
    monkeypatch.setattr(real_reader, "_clock", clock)
    return real_reader


@pytest.fixture
def send(make_app, channel):
    """Return a function that sends images in some encoding and returns the host's pixels."""
    client = make_app(max_images=4, max_body_bytes=8192).test_client()

    def run(name, images, coding="", query=""):
        way = WAYS[name]
        body = CODINGS[coding](way.write(images))
        headers = {"Content-Type": way.content_type, "Content-Encoding": coding}
        response = client.post(f"/predict{query}", data=body, headers=headers)
        assert 200 == response.status_code, response.text
        expected = ["square", "star"][: len(images)]
        assert expected == [one["label"] for one in response.json["predictions"]]
        return channel.asked[-1][1]

    return run


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", EXACT)
def test_an_image_is_the_same_in_every_encoding(send, name, coding):
    """Compressed or not."""
    assert IMAGES[:1].tobytes() == send(name, IMAGES[:1], coding)


@pytest.mark.parametrize("name", [name for name in EXACT if WAYS[name].many])
def test_many_images_are_the_same_in_every_encoding(send, name):
    """In their order."""
    assert IMAGES.tobytes() == send(name, IMAGES)


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if "PNG" in name])
def test_a_picture_that_fits_has_no_notes(make_app, name):
    """Nothing was done to it."""
    way = WAYS[name]
    response = (
        make_app()
        .test_client()
        .post("/predict?prepare=never", data=way.write(IMAGES[:1]), content_type=way.content_type)
    )

    assert [[]] == [one["notes"] for one in response.json["predictions"]]


def test_a_picture_of_another_size_is_prepared_or_refused(make_app):
    """As the query says."""
    client = make_app().test_client()
    large = as_picture("png", np.zeros((9, 9), np.uint8))

    prepared = client.post("/predict", data=large, content_type="image/png")
    refused = client.post("/predict?prepare=never", data=large, content_type="image/png")

    assert 200 == prepared.status_code
    assert "blank" in prepared.json["predictions"][0]["notes"]
    assert 400 == refused.status_code
    assert refused.json["error"].startswith("the picture is 9 x 9 pixels large; 2 x 2 are expected")


def test_what_is_no_picture_is_named(make_app):
    """By its place in the request."""
    instances = [[[1, 0], [0, 0]], {"b64": "bm90aGluZw=="}]

    response = (
        make_app()
        .test_client()
        .post(
            "/predict", data=json.dumps({"instances": instances}), content_type="application/json"
        )
    )

    assert 415 == response.status_code
    assert response.json["error"].startswith("instance 1: the picture starts with 6e 6f")
