"""POST /v1/models/...: predictions as TensorFlow Serving gives them, and its refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from app.ipc.frames import Answer
from app.ipc.status import CanaryStatus, HostStatus, ModelStatus
from app.web.host_client.client import Prediction
from app.web.http.errors import (
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
)

SQUARE = [[[1], [0]], [[0], [0]]]
STAR = [[[2], [0]], [[0], [255]]]
OF_SQUARE, OF_STAR = [0.125, 0.75, 0.125], [0.125, 0.125, 0.75]
SHAPES = "/v1/models/shapes"


@pytest.fixture
def post(client):
    """Return a function that posts a document as curl does, without a JSON Content-Type."""

    def run(document, path=f"{SHAPES}:predict", **options):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        options.setdefault("content_type", "application/x-www-form-urlencoded")
        return client.post(path, data=body, **options)

    return run


def refusal(response, *others):
    """Return the status and the message of an error, which has no other fields but these."""
    assert "application/json" == response.content_type
    assert ["error", *others] == list(response.json)
    return response.status_code, response.json["error"]


def test_rows_are_answered_with_predictions(post):
    """The documentation's first example: a list with one value for each instance."""
    response = post({"instances": [SQUARE, STAR, STAR]})

    assert 200 == response.status_code
    assert {"predictions": [OF_SQUARE, OF_STAR, OF_STAR]} == response.json


def test_columns_are_answered_with_outputs(post):
    """The only output is not named, be the input named or not."""
    inputs = [SQUARE, STAR]

    assert {"outputs": [OF_SQUARE, OF_STAR]} == post({"inputs": inputs}).json
    assert {"outputs": [OF_SQUARE, OF_STAR]} == post({"inputs": {"images": inputs}}).json


def test_named_rows_are_answered_like_others(post):
    """One output has no name."""
    instances = [{"images": SQUARE}, {"images": STAR}]

    assert {"predictions": [OF_SQUARE, OF_STAR]} == post({"instances": instances}).json


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json"])
def test_the_content_type_does_not_count(post, content_type):
    """The documentation's examples send curl's own."""
    assert 200 == post({"instances": [STAR]}, content_type=content_type).status_code


def test_the_answers_headers(post):
    """Beside what is usual there: the model and version, which the body does not name."""
    headers = dict(post({"instances": [STAR]}).headers)

    assert 16 == len(headers.pop("X-Request-Id"))
    assert headers.pop("Content-Length").isdigit()
    assert {
        "Content-Type": "application/json",
        "Glyph-Model": "shapes",
        "Glyph-Version": "3",
        "Server-Timing": "queue;dur=500.000, inference;dur=250.000",
        "X-Content-Type-Options": "nosniff",
    } == headers


def test_pixels_reach_the_host_row_by_row(post, channel, clock):
    """With the deadline, as from any other route."""
    post({"instances": [SQUARE, STAR]}, headers={"X-Request-Timeout-Ms": "250"})

    assert [(2, bytes([1, 0, 0, 0, 2, 0, 0, 255]), clock.now + 0.25)] == channel.asked


def test_a_request_that_waits_for_a_version_counts_with_its_body(post, channel):
    """What waiting requests hold is bounded in bytes."""
    post(b'{"instances":[[2,0,0,0]]}')

    assert [25] == channel.held


def answer_with(channel, *rows):
    """Let the host answer anything with these probabilities."""
    prediction = Prediction(Answer(3, 0, 0, np.array(rows, np.float32)), ("a", "b"))
    channel.predict = lambda *_, **__: prediction


def test_numbers_are_written_as_there(post, channel):
    """The shortest decimals that give the same 32 bits; whole ones with a fraction."""
    answer_with(channel, [0.1, 0.7], [1, 0])

    assert b'{\n    "predictions": [[0.1,0.7],[1.0,0.0]]\n}' == post({"instances": [STAR]}).data


def test_numbers_that_json_lacks_are_written_as_there(post, channel):
    """Programs that were written for it read them."""
    answer_with(channel, [np.nan, 0.1], [np.inf, -np.inf])

    data = post({"inputs": [STAR]}).data
    assert b'{\n    "outputs": [[NaN, 0.1], [Infinity, -Infinity]]\n}' == data


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("which", "version"),
    [("", 3), ("/versions/4", 4), ("/versions/3", 3), ("/labels/canary", 4), ("/labels/stable", 3)],
)
def test_a_version_or_label_may_be_asked(post, which, version):
    """Which one answered stands in a header."""
    response = post({"instances": [STAR]}, f"{SHAPES}{which}:predict")

    assert {"predictions": [OF_STAR]} == response.json
    assert str(version) == response.headers["Glyph-Version"]


@pytest.mark.usefixtures("two_models")
def test_another_model_may_be_asked(post):
    """Of images of its own shape."""
    response = post({"instances": [[[[1], [0], [5]]]]}, "/V1/MODELS/wide:predict")

    assert {"predictions": [OF_SQUARE]} == response.json
    assert "wide" == response.headers["Glyph-Model"]


@pytest.mark.usefixtures("two_models")
def test_a_canary_gets_its_share(post, channel):
    """As of requests from any other route."""
    shapes, *others = channel.status.models
    canary = CanaryStatus(version=4, label="canary", percent=100)
    channel.status = HostStatus.of(shapes.model_copy(update={"canary": canary}), *others)

    assert "4" == post({"instances": [STAR]}).headers["Glyph-Version"]
    assert (
        "3" == post({"instances": [STAR]}, f"{SHAPES}/versions/3:predict").headers["Glyph-Version"]
    )


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("half:predict", 404, "Servable not found for request: Latest(half)"),
        ("half/versions/7:predict", 404, "Servable not found for request: Specific(half, 7)"),
        ("shapes/versions/7:predict", 404, "Servable not found for request: Specific(shapes, 7)"),
        ("shapes/versions/5:predict", 404, "Servable not found for request: Specific(shapes, 5)"),
        ("shapes/versions/0:predict", 404, "Servable not found for request: Specific(shapes, 0)"),
        (
            f"shapes/versions/{2**63 - 1}:classify",
            404,
            f"Servable not found for request: Specific(shapes, {2**63 - 1})",
        ),
        ("shapes/labels/next:predict", 400, "Unrecognized servable version label: next"),
        ("half/labels/stable:predict", 400, "Unrecognized servable version label: stable"),
        ("half:classify", 404, "Servable not found for request: Latest(half)"),
    ],
)
def test_what_does_not_serve_is_not_found(post, path, status, sentence):
    """A label is said to be a wrong argument instead."""
    document = {"instances": [STAR], "examples": [{}]}

    assert (status, sentence) == refusal(post(document, f"/v1/models/{path}"))


@pytest.mark.parametrize("path", ["half:predict", "shapes/versions/7:predict", "half:regress"])
def test_what_is_wrong_with_the_body_is_said_first(post, path):
    """Before it is known whether the model is there."""
    status, sentence = refusal(post(b"instances", f"/v1/models/{path}"))

    assert (400, "the body is not valid JSON: ") == (status, sentence[:28])


def test_a_version_that_goes_meanwhile_is_not_found(post, channel):
    """Though it was there when the request came."""
    channel.gone = {3}

    assert (404, "Servable not found for request: Specific(shapes, 3)") == refusal(
        post({"instances": [STAR]}, f"{SHAPES}/versions/3:predict")
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            b"   nope",
            "the body is not valid JSON: invalid literal, expected 'null' (line 1, column 4)",
        ),
        (b"[]", "the body is a list of 0; an object is expected"),
        ({}, "the body has the keys none; one of instances and inputs is expected"),
        (
            {"instances": ["a"]},
            (
                "image 0 of instances is the string 'a'; 2 rows of 2, or 4 numbers, are expected; "
                'one image alone is still a list of one: {"instances": [image]}'
            ),
        ),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_over_several_lines(post, document, sentence):
    """As there; the sentences are ours, and tested with the decoder."""
    response = post(document)

    assert (400, sentence) == refusal(response)
    assert f'{{\n    "error": {json.dumps(sentence)}\n}}' == response.text


@pytest.mark.parametrize("word", ["caf\u00e9", "\udc80"], ids=ascii)
def test_what_is_wrong_is_shown_as_it_is(post, word):
    """Half a character is shown as a question mark."""
    body = b'{"instances": [NaN], "signature_name": "%b"}' % word.encode(errors="surrogateescape")
    shown = word.replace("\udc80", "?")

    assert f'signature name: \\"{shown}\\" not found' in post(body).text


@pytest.mark.parametrize(
    ("method", "kind"), [("classify", "classification"), ("regress", "regression")]
)
def test_the_signature_is_for_predict_alone(post, method, kind):
    """Examples are refused as by a model that was exported like ours."""
    signature = f"Expected {kind} signature method_name to be tensorflow/serving/{method}"
    response = post({"examples": [{"images": [1]}]}, f"{SHAPES}:{method}")

    assert (400, f"{signature}. Was: tensorflow/serving/predict") == refusal(response)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"{", "the body is not valid JSON: unexpected end of data (line 1, column 2)"),
        ({"instances": [1]}, "no examples; a list of objects is expected"),
        ({"examples": 1}, "examples is the number 1; a list of objects is expected"),
        ({"examples": []}, "examples is a list of 0; a list of objects is expected"),
        ({"examples": [{}, 1]}, "example 1 is the number 1; an object is expected"),
        ({"signature_name": 1}, "signature_name is the number 1; a string is expected"),
        (
            {"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}]},
            "No signature was found with the name: tensorflow/serving/regress",
        ),
    ],
    ids=str,
)
def test_wrong_examples_are_refused_first(post, document, sentence):
    """So is a signature that the model does not have."""
    assert (400, sentence) == refusal(post(document, f"{SHAPES}:regress"))


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (OverloadedError("4096 images wait", retry_after_s=2), 429, "2"),
        (NotReadyError("version 3 is being loaded", retry_after_s=1), 503, "1"),
        (HostLostError("the model host went away", retry_after_s=1), 503, "1"),
        (DeadlineError("no answer in time"), 504, None),
        (ModelFailedError("it failed on these images"), 500, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_fault_of_the_request_keeps_its_sentence(post, channel, error, status, again):
    """With when to try again, which there nobody is told."""
    channel.error = error
    response = post({"instances": [STAR]})

    assert (status, str(error)) == refusal(response, "code")
    assert again == response.headers.get("Retry-After")


@pytest.mark.usefixtures("two_models")
def test_a_version_that_is_being_loaded_is_not_said_to_be_missing(post, channel):
    """Whoever gets a 503 tries again."""
    channel.serving = lambda *_, **__: (_ for _ in ()).throw(NotReadyError("it is being loaded"))

    assert (503, "it is being loaded") == refusal(post({"instances": [STAR]}), "code")


@pytest.mark.parametrize(
    ("document", "options", "status", "sentence"),
    [
        (
            {"instances": [STAR] * 5},
            {},
            413,
            "5 images in one request; at most 4 are taken",
        ),
        (
            {"instances": [STAR]},
            {"headers": {"X-Request-Timeout-Ms": "soon"}},
            400,
            (
                "header X-Request-Timeout-Ms is 'soon'; "
                "whole milliseconds from 1 to 60000 are expected"
            ),
        ),
    ],
    ids=["images", "timeout"],
)
def test_our_own_bounds_keep_their_sentences(post, document, options, status, sentence):
    """There are none of the kind there."""
    response = post(document, **options)

    assert (status, sentence) == (response.status_code, response.json["error"])


def test_a_body_over_the_bound_is_refused(post):
    """It is told, for programs as well."""
    response = post(b"{" + b" " * 1024)

    assert (413, 1024) == (response.status_code, response.json["limit"])


def test_while_no_model_is_known_the_host_is_waited_for(post, channel):
    """Until the deadline: then it is not ready, which is not the same as not found."""
    channel.status = HostStatus.of(ModelStatus(name="shapes", ready=False, reason="it starts"))
    channel.error = NotReadyError("it starts", retry_after_s=1)

    assert (503, "it starts") == refusal(post({"instances": [STAR]}), "code")


def test_a_label_that_moves_to_what_has_gone_is_refused(post, channel):
    """The predictor looks twice; then there is none."""
    channel.status = HostStatus.of(
        channel.status.models[0].model_copy(update={"labels": {"stable": 3}})
    )
    channel.gone = {3}

    assert (400, "Unrecognized servable version label: stable") == refusal(
        post({"instances": [STAR]}, f"{SHAPES}/labels/stable:predict")
    )
    assert [("shapes", 3, False)] == channel.routed
    with pytest.raises(NotFoundError):
        channel.predict(1, bytes(4), 0.0, model="shapes", version=3)
