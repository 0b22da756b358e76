"""POST /v2/models/<name>/infer: what callers get, in JSON and in bytes."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest

from app.web.http.errors import DeadlineError, NotReadyError, OverloadedError
from imaging.preparation import Preparation

IMAGE = {"name": "images", "datatype": "UINT8", "shape": [1, 4], "data": [1, 0, 0, 0]}
HEADER = "Inference-Header-Content-Length"
URL = "/v2/models/shapes/infer"


@pytest.fixture
def infer(client):
    """Return a function that sends a request with some fields changed."""

    def run(url=URL, headers=None, **fields):
        return client.post(url, json={"inputs": [IMAGE]} | fields, headers=headers)

    return run


def parts(response):
    """Take an answer apart: its JSON, and the bytes behind it."""
    length = int(response.headers[HEADER])
    return json.loads(response.data[:length]), response.data[length:]


def test_an_image_is_answered(infer, channel):
    """The answer names the model and, as a string, the version; the id comes back."""
    response = infer(id="a-7")

    assert 200 == response.status_code
    assert "application/json" == response.content_type
    assert HEADER not in response.headers
    output = {"name": "probabilities", "datatype": "FP32", "shape": [1, 3]}
    expected = {
        "model_name": "shapes",
        "model_version": "3",
        "id": "a-7",
        "outputs": [output | {"data": [0.125, 0.75, 0.125]}],
    }
    assert expected == response.json
    assert [(1, b"\1\0\0\0", 105.0)] == channel.asked
    assert "queue;dur=500.000, inference;dur=250.000" == response.headers["Server-Timing"]


def test_no_id_is_made_up(infer):
    """Who gave none gets none."""
    assert {"model_name", "model_version", "outputs"} == infer().json.keys()


def test_no_content_type_is_expected(client):
    """Clients name it as they like."""
    body = json.dumps({"inputs": [IMAGE]})

    assert 200 == client.post(URL, data=body, content_type="text/plain").status_code


@pytest.mark.usefixtures("two_models")
def test_a_version_is_asked_by_its_path(infer, channel):
    """And it is named in the answer."""
    response = infer("/v2/models/shapes/versions/4/infer")

    assert "4" == response.json["model_version"]
    assert [("shapes", 4, False)] == channel.routed


@pytest.mark.usefixtures("two_models")
def test_another_model_has_another_shape(infer):
    """Its images are looked at as its own metadata says."""
    image = IMAGE | {"shape": [1, 1, 3, 1], "data": [2, 0, 0]}

    assert "wide" == infer("/v2/models/wide/infer", inputs=[image]).json["model_name"]
    assert 400 == infer("/v2/models/wide/infer").status_code


def test_an_answer_in_bytes(infer):
    """They are float32 behind the JSON, which says how many."""
    response = infer(parameters={"binary_data_output": True})

    document, binary = parts(response)
    assert "application/octet-stream" == response.content_type
    output = {"name": "probabilities", "datatype": "FP32", "shape": [1, 3]}
    assert [output | {"parameters": {"binary_data_size": 12}}] == document["outputs"]
    assert [0.125, 0.75, 0.125] == np.frombuffer(binary, "<f4").tolist()


def test_a_question_in_bytes(client, channel):
    """Pixels follow the JSON."""
    image = {key: value for key, value in IMAGE.items() if key != "data"}
    text = json.dumps({"inputs": [image | {"parameters": {"binary_data_size": 4}}]}).encode()

    response = client.post(URL, data=text + b"\2\0\0\0", headers={HEADER: str(len(text))})

    assert [0.125, 0.125, 0.75] == response.json["outputs"][0]["data"]
    assert [(1, b"\2\0\0\0", 105.0)] == channel.asked


def test_a_body_of_nothing_but_an_image(client):
    """It is answered in bytes."""
    document, binary = parts(client.post(URL, data=b"\2\0\0\0", headers={HEADER: "0"}))

    assert [1, 3] == document["outputs"][0]["shape"]
    assert [0.125, 0.125, 0.75] == np.frombuffer(binary, "<f4").tolist()


def test_the_likeliest_classes_as_text(infer):
    """Each image's classes, best first, with probability, number and name."""
    images = IMAGE | {"shape": [2, 4], "data": [1, 0, 0, 0, 2, 0, 0, 0]}
    output = {"name": "probabilities", "parameters": {"classification": 2}}

    (answer,) = infer(inputs=[images], outputs=[output]).json["outputs"]

    assert ("BYTES", [2, 2]) == (answer["datatype"], answer["shape"])
    expected = ["0.75:1:square", "0.125:0:circle", "0.75:2:star", "0.125:0:circle"]
    assert expected == answer["data"]


def test_the_likeliest_classes_in_bytes(infer):
    """Each text has its length before it."""
    output = {"name": "probabilities", "parameters": {"classification": 1, "binary_data": True}}

    document, binary = parts(infer(outputs=[output]))

    assert {"binary_data_size": 17} == document["outputs"][0]["parameters"]
    assert struct.pack("<I", 13) + b"0.75:1:square" == binary


def test_pictures_are_read_and_noted(infer, reader):
    """What was noted on each is text in the answer's parameters."""
    files = [base64.b64encode(b"picture 2").decode(), base64.b64encode(b"picture 1").decode()]
    images = {"name": "images", "datatype": "BYTES", "shape": [2], "data": files}

    answer = infer(inputs=[images], parameters={"prepare": "always", "timeout": 250_000}).json

    assert [0.125, 0.125, 0.75, 0.125, 0.75, 0.125] == answer["outputs"][0]["data"]
    assert [["inverted"], ["inverted"]] == json.loads(answer["parameters"]["notes"])
    asked = ([b"picture 2", b"picture 1"], (2, 2, 1), Preparation("digit"), 100.25)
    assert [asked] == reader.asked


def test_a_picture_that_cannot_be_read_is_named(infer):
    """By its place."""
    images = {"name": "images", "datatype": "BYTES", "shape": [2, 1], "data": [["MQ=="]] * 2}
    images["data"][1] = [base64.b64encode(b"broken").decode()]

    response = infer(inputs=[images])

    assert 400 == response.status_code
    assert "input images, picture 1: the picture is broken" == response.json["error"]


def test_more_classes_than_there_are(infer):
    """All of them are given."""
    output = {"name": "probabilities", "parameters": {"classification": 9}}

    assert [1, 3] == infer(outputs=[output]).json["outputs"][0]["shape"]


def test_a_timeout_is_the_deadline(infer, channel):
    """In microseconds, before the header's, before the default."""
    infer(parameters={"timeout": 250_000})
    infer(headers={"X-Request-Timeout-Ms": "2000"}, parameters={"timeout": 250_000})
    infer(headers={"X-Request-Timeout-Ms": "2000"})

    assert [100.25, 100.25, 102.0] == [deadline for _, _, deadline in channel.asked]


def test_who_waits_for_a_version_is_counted_with_its_bytes(infer, channel):
    """The bound on what is held sees the whole body."""
    infer()

    assert [len(json.dumps({"inputs": [IMAGE]}))] == channel.held


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("/v2/models/none/infer", "model.not_found"),
        ("/v2/models/shapes/versions/9/infer", "version.not_found"),
        ("/v2/models/shapes/versions/latest/infer", "version.not_found"),
    ],
)
def test_what_is_not_there(infer, url, code):
    """No such model, no such version, no version at all."""
    response = infer(url)

    assert (404, code) == (response.status_code, response.json["code"])
    assert ["error", "code"] == list(response.json)


def test_another_method_is_not_allowed(client):
    """In the shape of every error."""
    response = client.get(URL)

    assert 405 == response.status_code
    sentence = f"GET is not allowed on {URL}; allowed: OPTIONS, POST"
    assert {"error": sentence, "code": "method.not_allowed"} == response.json


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (NotReadyError("no version serves", retry_after_s=1), 503),
        (OverloadedError("full", retry_after_s=1), 429),
        (DeadlineError("too late"), 504),
    ],
)
def test_refusals_keep_their_status(infer, channel, problem, status):
    """The protocol has no case for the last two."""
    channel.error = problem

    response = infer()

    assert status == response.status_code
    assert {"error": str(problem), "code": problem.code} == response.json


def test_bounds(client, infer):
    """On the body's bytes, and on the images."""
    assert 413 == client.post(URL, data=b"x" * 1025).status_code
    assert 413 == infer(inputs=[IMAGE | {"shape": [5, 4]}]).status_code
