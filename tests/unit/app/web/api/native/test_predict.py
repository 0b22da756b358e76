"""POST /predict: what it answers, and what it refuses before it costs the model anything."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from app.ipc.frames import Answer
from app.ipc.status import CanaryStatus, HostStatus, ModelStatus
from app.web.host_client.client import Prediction
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotReadyError,
    OverloadedError,
)

SQUARE = [[1, 0], [0, 0]]
STAR = [[2, 0], [0, 255]]
DEFAULT_TIMEOUT_S = 5.0


class BrokenBody(io.RawIOBase):
    """A body that cannot be read to its end."""

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def readinto(self, _buffer):
        raise self._problem


@pytest.fixture
def post(client):
    """Return a function that posts images, or any body, as JSON."""

    def run(*images, data=None, **kwargs):
        content = json.dumps({"instances": images}).encode() if data is None else data
        kwargs.setdefault("content_type", "application/json")
        return client.post("/predict", data=content, **kwargs)

    return run


def test_an_image_is_answered(post):
    """With its label, class, probability and all probabilities, and the version that says so."""
    response = post(STAR)

    assert 200 == response.status_code
    assert {
        "predictions": [
            {
                "label": "star",
                "class": 2,
                "probability": 0.75,
                "probabilities": [0.125, 0.125, 0.75],
            }
        ],
        "model": {"name": "shapes", "version": 3},
    } == response.json


def test_the_answers_headers(post):
    """JSON that is not to be sniffed, an id, and how long it waited and was computed."""
    headers = dict(post(STAR).headers)

    assert 16 == len(headers.pop("X-Request-Id"))
    assert headers.pop("Content-Length").isdigit()
    assert {
        "Content-Type": "application/json",
        "Server-Timing": "queue;dur=500.000, inference;dur=250.000",
        "X-Content-Type-Options": "nosniff",
    } == headers


def test_many_images_are_answered_in_order(post):
    """One prediction for each, in the order of the request."""
    labels = [p["label"] for p in post(STAR, SQUARE, SQUARE, STAR).json["predictions"]]

    assert ["star", "square", "square", "star"] == labels


def test_pixels_reach_the_host_row_by_row(post, channel):
    """All images of a request are one frame."""
    post(SQUARE, STAR)

    ((rows, pixels, _),) = channel.asked
    assert (2, bytes([1, 0, 0, 0, 2, 0, 0, 255])) == (rows, pixels)


def test_probabilities_are_the_shortest_decimals(post, channel):
    """They are float32: 0.1 is written as 0.1, and reads back as the same 32 bits."""
    probabilities = np.array([[0.1, 0.2, 0.7]], np.float32)
    answer = Prediction(Answer(3, 0, 0, probabilities), ("circle", "square", "star"))
    channel.predict = lambda *_, **__: answer

    assert b'"probability":0.7,"probabilities":[0.1,0.2,0.7]' in post(STAR).data


def test_a_request_has_the_default_deadline(post, channel, clock):
    """It counts from the request's head, for the model and for the answer."""
    post(STAR)

    assert [clock.now + DEFAULT_TIMEOUT_S] == channel.waits
    assert clock.now + DEFAULT_TIMEOUT_S == channel.asked[0][2]


def test_a_request_that_waits_for_a_version_counts_with_its_body(post, channel):
    """What waiting requests hold is bounded in bytes."""
    post(STAR)

    assert [len(json.dumps({"instances": [STAR]}))] == channel.held


@pytest.mark.parametrize("milliseconds", [1, 250, 60_000])
def test_a_caller_may_set_the_deadline(post, channel, clock, milliseconds):
    """In milliseconds, in a header."""
    post(STAR, headers={"X-Request-Timeout-Ms": str(milliseconds)})

    assert clock.now + milliseconds / 1000 == channel.asked[0][2]


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "60001", "soon", "", "1e3", "²", "9" * 5000], ids="{:.8}".format
)
def test_a_wrong_deadline_is_refused(post, channel, text):
    """The header, its value and what it may be are told."""
    response = post(STAR, headers={"X-Request-Timeout-Ms": text})

    assert 400 == response.status_code
    assert response.json["error"] == (
        f"header X-Request-Timeout-Ms is {text[:40]!r}; "
        "whole milliseconds from 1 to 60000 are expected"
    )
    assert [] == channel.asked


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"]
)
def test_json_may_be_said_in_all_its_ways(post, content_type):
    """Parameters and capitals make no difference."""
    assert 200 == post(STAR, content_type=content_type).status_code


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("", "is missing"),
        ("application/x-www-form-urlencoded", "is application/x-www-form-urlencoded"),
        ("text/plain", "is text/plain"),
        ("application/xml", "is application/xml"),
        ("application/+json", "is application/+json"),
        ("application/hal+jsonp", "is application/hal+jsonp"),
        ("x" * 200, f"is {'x' * 80}"),
    ],
)
def test_another_content_type_is_refused(post, content_type, found):
    """What was found and what is expected; content that says nothing is no help."""
    response = post(data=b"instances=1", content_type=content_type)

    assert 415 == response.status_code
    kinds = "application/json, application/octet-stream, application/x-npy, "
    kinds += "image/png, image/jpeg, image/webp, image/bmp or multipart/form-data"
    sentence = f"Content-Type {found}; {kinds} is expected"
    assert {"error": sentence, "code": "body.media_type"} == response.json


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_over_the_bound_is_refused(post, chunked):
    """Whether it announces its length or not; the bound is told, for programs as well."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""} if chunked else {}
    response = post(data=b"[" + b"0" * 1024, environ_overrides=environ)

    assert 413 == response.status_code
    assert {
        "error": "the body is larger than 1024 bytes; send fewer images per request",
        "code": "body.too_large",
        "limit": 1024,
    } == response.json


def test_a_body_as_large_as_the_bound_is_read(post):
    """The bound itself is within it."""
    content = json.dumps({"instances": [STAR]}).encode()

    assert 200 == post(data=content.ljust(1024)).status_code


def test_a_body_in_chunks_is_read(post):
    """A length need not be announced."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    assert 200 == post(STAR, environ_overrides=environ).status_code


def test_too_many_images_are_refused(post, channel):
    """How many there were and may be is told, for programs as well."""
    response = post(*[STAR] * 5)

    assert 413 == response.status_code
    assert {
        "error": "5 images in one request; at most 4 are taken",
        "code": "images.too_many",
        "found": 5,
        "limit": 4,
    } == response.json
    assert [] == channel.asked


@pytest.mark.parametrize("gone", [ConnectionResetError(), TimeoutError()])
def test_a_body_that_breaks_off_is_refused(post, gone, caplog):
    """A client that goes away is at fault, not the service."""
    response = post(environ_overrides={"wsgi.input": BrokenBody(gone)})

    assert 400 == response.status_code
    sentence = "the body was cut off, or its chunks are malformed"
    assert {"error": sentence, "code": "body.incomplete"} == response.json
    assert "Traceback" not in caplog.text


def test_a_wrong_image_is_refused(post, channel):
    """The decoder's sentence, and the host is not asked."""
    response = post(SQUARE, [[1, 0], [0, 256]])

    assert 400 == response.status_code
    assert {
        "error": "instance 1, row 1, column 1: 256 is out of range; "
        "pixels are whole numbers from 0 (background) to 255 (ink)",
        "code": "image.pixel_range",
    } == response.json
    assert [] == channel.asked


def test_details_stand_beside_the_sentence(post):
    """The field that is wrong is a key of its own."""
    expected = {
        "error": "instances is empty; give at least one image",
        "code": "images.none",
        "field": "instances",
    }

    assert expected == post().json


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (BadInputError("the sentence"), 400, None),
        (OverloadedError("the sentence", retry_after_s=0.0), 429, "1"),
        (OverloadedError("the sentence", retry_after_s=2.1), 429, "3"),
        (ModelFailedError("the sentence"), 500, None),
        (NotReadyError("the sentence", retry_after_s=1), 503, "1"),
        (HostLostError("the sentence", retry_after_s=1), 503, "1"),
        (DeadlineError("the sentence"), 504, None),
    ],
    ids=["misfit", "full", "very full", "failed", "not ready", "host lost", "deadline"],
)
def test_what_the_host_refuses_is_told(post, channel, error, status, retry_after):
    """Each kind has its status, and says when to come again where that may help."""
    channel.error = error
    response = post(STAR)

    assert (status, retry_after) == (response.status_code, response.headers.get("Retry-After"))
    assert {"error": "the sentence", "code": error.code} == response.json
    assert "Server-Timing" not in response.headers


def test_a_wrong_kind_of_body_is_told_before_the_model_is_waited_for(post, channel):
    """While no version serves, what would never be right is refused at once."""
    channel.error = NotReadyError("loading")

    assert 415 == post(STAR, content_type="text/plain").status_code
    assert [] == channel.waits


@pytest.fixture
def post_raw(client):
    """Return a function that posts pixels as bytes."""
    return lambda *pixels: client.post(
        "/predict", data=bytes(pixels), content_type="application/octet-stream"
    )


def test_raw_pixels_are_answered_as_json_is(post, post_raw):
    """A byte a pixel, image after image."""
    of_json, of_bytes = post(STAR, SQUARE), post_raw(2, 0, 0, 255, 1, 0, 0, 0)

    assert 200 == of_bytes.status_code
    assert of_json.json == of_bytes.json


@pytest.mark.parametrize("count", [0, 3, 5])
def test_raw_pixels_are_whole_images(post_raw, channel, count):
    """The sentence says how long an image is."""
    response = post_raw(*range(count))

    assert 400 == response.status_code
    sentence = f"the body has {count} bytes; 4 (2 x 2 x 1) for each image are expected"
    assert {"error": sentence, "code": "image.size"} == response.json
    assert [] == channel.asked


def test_too_many_raw_images_are_refused(post_raw):
    """Found and limit are told to programs as well."""
    response = post_raw(*bytes(20))

    assert 413 == response.status_code
    assert {
        "error": "5 images in one request; at most 4 are taken",
        "code": "images.too_many",
        "found": 5,
        "limit": 4,
    } == response.json


@pytest.fixture
def post_to(client):
    """Return a function that posts a star, or other pixels, to a path below /models."""

    def run(path, pixels=(2, 0, 0, 255), **options):
        options.setdefault("content_type", "application/octet-stream")
        return client.post(f"/models/{path}/predict", data=bytes(pixels), **options)

    return run


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("path", "model", "version"),
    [
        ("shapes", "shapes", 3),
        ("shapes/versions/4", "shapes", 4),
        ("shapes/labels/canary", "shapes", 4),
        ("shapes/labels/stable", "shapes", 3),
        ("wide", "wide", 1),
        ("wide/versions/1", "wide", 1),
    ],
)
def test_a_model_and_a_version_can_be_named(post_to, channel, path, model, version):
    """The images are read in the model's own shape, and the answer names both."""
    response = post_to(path, (2, 0, 0) if model == "wide" else (2, 0, 0, 255))

    assert {"name": model, "version": version} == response.json["model"]
    assert "star" == response.json["predictions"][0]["label"]
    asked_version = version if "/" in path else 0
    assert [(model, asked_version, False)] == channel.routed


@pytest.mark.usefixtures("two_models")
def test_a_named_model_is_asked_again_and_again(post_to):
    """Paths are remembered, each with what it names."""
    answers = [post_to(f"shapes/versions/{n}").json["model"]["version"] for n in (3, 4, 3, 4)]

    assert [3, 4, 3, 4] == answers


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("none", "no model none"),
        ("shapes/versions/9", "no version 9"),
        ("shapes/versions/5", "no version 5"),
        ("shapes/versions/0", "there is no version '0'; versions are numbered from 1"),
        ("shapes/versions/x", "there is no version 'x'; versions are numbered from 1"),
        ("shapes/versions/9" + "0" * 40, f"there is no version '9{'0' * 40}'; versions are"),
        (
            "shapes/labels/blue",
            "no label 'blue' on a version that serves; labels: stable (version 3), canary (",
        ),
        ("wide/labels/blue", "labels: none"),
    ],
)
def test_what_is_not_there_is_not_found(post_to, channel, path, sentence):
    """The sentence tells what is; the host is not asked."""
    response = post_to(path, (2, 0, 0) if path.startswith("wide") else (2, 0, 0, 255))

    assert 404 == response.status_code
    assert sentence in response.json["error"]
    assert [] == channel.asked


@pytest.mark.usefixtures("two_models")
def test_an_image_of_another_models_shape_is_refused(post_to):
    """Each model has its own."""
    assert "4 (2 x 2 x 1) for each image" in post_to("shapes", (1, 2, 3)).json["error"]
    assert "3 (1 x 3 x 1) for each image" in post_to("wide", (1, 2, 3, 4)).json["error"]


@pytest.mark.usefixtures("two_models")
def test_a_version_that_went_meanwhile_is_not_found(post_to, channel):
    """Whoever asks for one version wants no other."""
    channel.gone = {4}

    assert 404 == post_to("shapes/versions/4").status_code
    assert 404 == post_to("shapes/labels/canary").status_code
    assert 2 == len(channel.routed)


@pytest.mark.usefixtures("two_models")
def test_a_label_that_moved_meanwhile_is_followed(post_to, channel):
    """The version that it was on may be gone by the time that the request comes to the host."""
    predict = channel.predict

    def move_and_predict(*images, **options):
        shapes = channel.status.default.model_copy(update={"labels": {"canary": 3}})
        channel.status = HostStatus.of(shapes)
        return predict(*images, **options)

    channel.gone, channel.predict = {4}, move_and_predict
    response = post_to("shapes/labels/canary")

    assert {"name": "shapes", "version": 3} == response.json["model"]
    assert [("shapes", 4, False), ("shapes", 3, False)] == channel.routed


def test_a_named_model_is_waited_for_as_the_default_one_is(post_to, channel, clock):
    """A request that comes while the host starts finds out later what there is."""
    post_to("shapes/versions/3")

    assert [clock.now + DEFAULT_TIMEOUT_S] * 2 == channel.waits
    assert [4, 0] == channel.held


@pytest.fixture
def canary(channel, describe_serving):
    """Return a function that sends a share of the default model's traffic to version 4."""

    def run(percent, header=None):
        shapes = ModelStatus(
            name="shapes",
            ready=True,
            reason=None,
            default=3,
            versions=(describe_serving(4), describe_serving(3)),
            labels={"new": 4},
            canary=CanaryStatus(version=4, label="new", percent=percent, sticky_header=header),
        )
        channel.status = HostStatus.of(shapes)

    return run


@pytest.mark.parametrize("path", ["/predict", "/models/shapes/predict"])
def test_a_canary_answers_its_share(client, canary, channel, registry, path):
    """All of it here; the answer names the canary's version, and the requests are counted."""
    canary(100)
    image = {"data": bytes([2, 0, 0, 255]), "content_type": "application/octet-stream"}
    response = client.post(path, **image)
    channel.gone = {4}
    without = client.post(path, **image)

    assert (4, 3) == (response.json["model"]["version"], without.json["model"]["version"])
    assert [(4, True)] * 2 == [route[1:] for route in channel.routed]
    labels = {"model": "shapes", "side": "canary"}
    assert 2 == registry.get_sample_value("glyph_canary_requests_total", labels)


def test_a_canary_takes_nothing_from_those_who_ask_for_a_version(client, canary, channel):
    """Nor from those who ask for a label."""
    canary(100)
    for path in ("versions/3", "labels/new"):
        client.post(
            f"/models/shapes/{path}/predict",
            data=bytes(4),
            content_type="application/octet-stream",
        )

    assert [("shapes", 3, False), ("shapes", 4, False)] == channel.routed


def test_the_canary_may_come_from_a_setting(make_app, channel, canary):
    """Where the control document has none."""
    canary(50)
    shapes = channel.status.default.model_copy(update={"canary": None})
    channel.status = HostStatus.of(shapes)
    client = make_app(canary="new=100").test_client()

    client.post("/predict", data=bytes(4), content_type="application/octet-stream")

    assert [(None, 4, True)] == channel.routed
