"""Inference requests: JSON, and the bytes behind it."""

from __future__ import annotations

import json

import pytest

from app.web.api.open_inference.inference_request import OutputOptions, read_request
from app.web.http.errors import BadInputError

IMAGE = {"name": "images", "datatype": "UINT8", "shape": [1, 4], "data": [1, 0, 0, 0]}
HEADER = "header Inference-Header-Content-Length"


def read(request, binary=b"", header_length=None):
    """Read a request, by default with the header that goes with it."""
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    header = str(len(text)) if binary and header_length is None else header_length
    return read_request(text + binary, header)


def image(**changes):
    """Describe an input with something else about it; None leaves it out."""
    changed = IMAGE | changes
    return {"inputs": [{key: value for key, value in changed.items() if value is not None}]}


def test_a_request_is_as_short_as_this():
    """One input and nothing else; everything is wanted, in JSON."""
    request = read({"inputs": [IMAGE]})

    assert ("images", "UINT8", (1, 4), [1, 0, 0, 0]) == request.input
    assert (OutputOptions(), None, None) == (request.output, request.id, request.timeout_s)


def test_what_clients_send_for_other_servers_is_ignored():
    """Unknown fields and parameters everywhere, and null for what is not there."""
    request = {
        "id": None,
        "parameters": {"priority": 7, "sequence_id": "a", "binary_data_output": None},
        "inputs": [IMAGE | {"parameters": {"content_type": "np"}, "offset": 1}],
        "outputs": [{"name": "probabilities", "parameters": None, "datatype": "FP32"}],
        "trace": {},
    }

    assert read({"inputs": [IMAGE]}) == read(request)


def test_an_id_and_a_timeout_are_taken():
    """The timeout is in microseconds."""
    request = read({"id": "a-7", "parameters": {"timeout": 1_500}, "inputs": [IMAGE]})

    assert ("a-7", 0.0015) == (request.id, request.timeout_s)


@pytest.mark.parametrize("prepare", ["auto", "always", "never"])
def test_pictures_are_prepared_as_asked(prepare):
    """By default those that do not fit."""
    asked = read({"parameters": {"prepare": prepare}, "inputs": [IMAGE]})

    assert ("auto", prepare) == (read({"inputs": [IMAGE]}).prepare, asked.prepare)


def test_a_timeout_of_nothing_is_none():
    """As other servers have it."""
    assert read({"parameters": {"timeout": 0}, "inputs": [IMAGE]}).timeout_s is None


@pytest.mark.parametrize(
    ("of_request", "of_output", "wanted"),
    [
        ({}, {"binary_data": True}, OutputOptions(binary=True)),
        ({"binary_data_output": True}, {}, OutputOptions(binary=True)),
        ({"binary_data_output": True}, {"binary_data": False}, OutputOptions()),
        ({"binary_data_output": False}, {"binary_data": True}, OutputOptions(binary=True)),
        ({}, {"classification": 3}, OutputOptions(top=3)),
        ({"binary_data_output": True}, {"classification": 2}, OutputOptions(binary=True, top=2)),
        ({}, {"classification": 0}, OutputOptions()),
    ],
)
def test_how_the_output_is_wanted(of_request, of_output, wanted):
    """What is said of the output wins over what is said of the request."""
    output = {"name": "probabilities", "parameters": of_output}

    assert wanted == read({"parameters": of_request, "outputs": [output], "inputs": [IMAGE]}).output


def test_no_outputs_are_all_outputs():
    """In the form that the request asks for."""
    request = {"parameters": {"binary_data_output": True}, "outputs": [], "inputs": [IMAGE]}

    assert OutputOptions(binary=True) == read(request).output


def test_bytes_behind_the_json_are_the_data():
    """They are not copied."""
    body = json.dumps(image(data=None, parameters={"binary_data_size": 4})).encode() + b"\1\0\0\0"

    request = read_request(body, str(len(body) - 4))

    assert isinstance(request.input.data, memoryview)
    assert (body, b"\1\0\0\0") == (request.input.data.obj, request.input.data)


def test_a_body_without_json_is_one_image():
    """It is answered in bytes."""
    request = read_request(b"\1\0\0\0", "0")

    assert ("images", "UINT8", None, b"\1\0\0\0") == request.input
    assert OutputOptions(binary=True) == request.output


@pytest.mark.parametrize("length", ["-1", "1.5", "", "5", "abc", "9" * 30])
def test_a_header_that_cannot_be_right_is_refused(length):
    """It says how much of the body is JSON."""
    with pytest.raises(BadInputError) as caught:
        read_request(b"{}{}", length)

    expected = f"{HEADER} is {length!r}; the number of bytes that are JSON is expected, of the 4"
    assert f"{expected} that the body has" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "the request is not valid JSON: "),
        (b"{", "the request is not valid JSON: "),
        (b"[" * 2_000, "the request is not valid JSON: "),
        (b'{"inputs": [NaN]}', "the request is not valid JSON: "),
        (b"[]", "the request: input should be "),
        (b"{}", "inputs: field required"),
    ],
)
def test_what_is_no_request_is_refused(text, sentence):
    """Malformed JSON, and JSON that is something else."""
    with pytest.raises(BadInputError) as caught:
        read(text)

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"inputs": [IMAGE], "id": 7}, "id: input should be a valid string (found 7)"),
        ({"inputs": {}}, "inputs: input should be a valid list"),
        (image(shape=None), "inputs[0].shape: field required"),
        (image(datatype=None), "inputs[0].datatype: field required"),
        (image(name=None), "inputs[0].name: field required"),
        (image(shape=[1, 4.5]), "inputs[0].shape[1]: input should be a valid integer (found 4.5)"),
        (
            image(shape=[True, 4]),
            "inputs[0].shape[0]: input should be a valid integer (found true)",
        ),
        (
            image(parameters={"binary_data_size": -1}),
            (
                "inputs[0].parameters.binary_data_size: input should be greater than or equal to 0 "
                "(found -1)"
            ),
        ),
        (
            image(shape=[1e300, 4]),
            "inputs[0].shape[0]: input should be a valid integer (found 1e+300)",
        ),
        (
            {"inputs": [IMAGE], "parameters": {"timeout": "soon"}},
            'parameters.timeout: input should be a valid integer (found "soon")',
        ),
        (
            {"inputs": [IMAGE], "parameters": {"prepare": "no"}},
            (
                "parameters.prepare: input should be 'auto', 'always', 'never', 'digit', 'fit' or "
                "'exact' (found \"no\")"
            ),
        ),
        (
            {"inputs": [IMAGE], "parameters": {"timeout": 10**9}},
            (
                "parameters.timeout: input should be less than or equal to 60000000 "
                "(found 1000000000)"
            ),
        ),
        (
            {
                "inputs": [IMAGE],
                "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}],
            },
            (
                "outputs[0].parameters.classification: input should be greater than or equal to 0 "
                "(found -1)"
            ),
        ),
    ],
)
def test_a_field_that_is_wrong_is_named(request_, sentence):
    """With what was found, and what is expected."""
    with pytest.raises(BadInputError) as caught:
        read(request_)

    assert sentence == str(caught.value)


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_more_tensors_than_any_model_has_are_not_looked_at(field):
    """Nor are more dimensions."""
    with pytest.raises(BadInputError, match=rf"{field}: list should have at most 16 items"):
        read({"inputs": [IMAGE], field: [IMAGE] * 17})
    with pytest.raises(
        BadInputError, match=r"inputs\[0\].shape: list should have at most 16 items"
    ):
        read(image(shape=[1] * 17))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "there is no input"),
        (["x"], "the inputs are named x"),
        (["images", "x"], "the inputs are named images, x"),
        (["images", "images"], "the inputs are named images, images"),
    ],
)
def test_other_inputs_are_refused(names, found):
    """The sentence names the one that there is."""
    with pytest.raises(BadInputError) as caught:
        read({"inputs": [IMAGE | {"name": name} for name in names]})

    assert f"{found}; the model takes one, named images" == str(caught.value)


def test_an_output_that_is_not_there_is_refused():
    """The sentence names the one that there is."""
    with pytest.raises(BadInputError) as caught:
        read({"inputs": [IMAGE], "outputs": [{"name": "scores"}]})

    expected = "unexpected inference output 'scores'; there is one, probabilities"
    assert expected == str(caught.value)


def test_an_output_is_asked_for_once():
    """Its name would mean two things in the answer."""
    output = {"name": "probabilities"}
    with pytest.raises(BadInputError) as caught:
        read({"inputs": [IMAGE], "outputs": [output, output]})

    expected = "output probabilities is requested 2 times; once is expected"
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("input_", "binary", "sentence"),
    [
        ({"data": None}, b"", "input images has no data; a list is expected, or in its "),
        ({"data": "AQID"}, b"", "input images has no data; a list is expected, or in its "),
        (
            {"parameters": {"binary_data_size": 4}},
            b"\0" * 4,
            "input images has both data and binary_data_size; one is expected",
        ),
        (
            {"data": None, "parameters": {"binary_data_size": 4}},
            b"\0" * 5,
            "5 bytes follow the JSON; binary_data_size says 4",
        ),
        (
            {"data": None, "parameters": {"binary_data_size": 4}},
            b"",
            "0 bytes follow the JSON; binary_data_size says 4",
        ),
        ({}, b"\0" * 5, "5 bytes follow the JSON; no input declares any"),
    ],
)
def test_data_comes_in_one_way(input_, binary, sentence):
    """In JSON or behind it, and all of it."""
    with pytest.raises(BadInputError) as caught:
        read(image(**input_), binary)

    assert str(caught.value).startswith(sentence)


def test_shared_memory_is_refused():
    """The client would wait for data that never gets there."""
    parameters = {"shared_memory_region": "mine", "shared_memory_byte_size": 4}
    output = {"name": "probabilities", "parameters": parameters}

    with pytest.raises(BadInputError, match="input images is in shared memory"):
        read(image(data=None, parameters=parameters))
    with pytest.raises(BadInputError, match="output probabilities is requested in shared memory"):
        read({"inputs": [IMAGE], "outputs": [output]})
