"""The images of a request, and TensorFlow Serving's complaints about what are none."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.errors import BadInputError, ServiceError, TooLargeError
from app.web.tf_serving.decoding import decode_images
from app.web.tf_serving.errors import InvalidArgumentError

SHAPE = (28, 28, 1)
PIXELS = np.arange(2 * 784, dtype=np.uint8).reshape(2, *SHAPE)
EXPECTED = "[-1,28,28,1] or [-1,28,28] or [-1,784] is expected"
OF_TYPE = "is not of expected type: uint8"


def decode(document, shape=SHAPE, most=4):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode_images(content, shape, most)


def refusal(document, error=InvalidArgumentError, **bounds):
    with pytest.raises(error) as caught:
        decode(document, **bounds)
    assert error is caught.type
    return str(caught.value)


def of_element(document, index=0, key=""):
    """Give what is wrong with an element of the instances."""
    prefix = f"Failed to process element: {index}{key} of 'instances' list. "
    sentence = refusal(document)
    assert sentence.startswith(prefix)
    return sentence.removeprefix(prefix)


def of_value(value):
    """Give what is wrong with a value that is the only element."""
    sentence = of_element({"instances": [value]})
    return sentence.removeprefix("Error: INVALID_ARGUMENT: JSON Value: ")


@pytest.mark.parametrize("layout", [SHAPE, (28, 28), (784,)], ids=str)
@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize(
    "extra",
    [{}, {"signature_name": "serving_default"}, {"signature_name": ""}, {"verbose": True}],
    ids=str,
)
@pytest.mark.parametrize("last", [True, False])
def test_images_stand_at_instances_or_inputs(layout, key, extra, last):
    """In the model's shape, without its only channel, or flat; other keys are not read."""
    images = {key: PIXELS.reshape(2, *layout).tolist()}
    document = images | extra if last else extra | images

    assert (key, (2, PIXELS.tobytes())) == decode(document)


def test_rows_may_be_objects():
    """Each names the only input."""
    document = {"instances": [{"images": image} for image in PIXELS.tolist()]}

    assert ("instances", (2, PIXELS.tobytes())) == decode(document)


def test_columns_may_be_an_object():
    """Inputs that the signature does not have are not read."""
    document = {"inputs": {"other": "x", "images": PIXELS.tolist()}}

    assert ("inputs", (2, PIXELS.tobytes())) == decode(document)


def test_what_follows_the_document_is_not_read():
    """Be it another."""
    body = json.dumps({"instances": PIXELS.tolist()}).encode()

    assert ("instances", (2, PIXELS.tobytes())) == decode(body + b'{"instances": [1]}')


@settings(max_examples=30)
@given(shape=st.sampled_from([(3, 2, 1), (2, 3, 3), (1, 1, 1)]), data=st.data())
def test_every_form_gives_the_same_pixels(shape, data):
    """Whatever the model takes."""
    size = math.prod(shape)
    images = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=4))
    pixels = b"".join(images)
    array = np.frombuffer(pixels, np.uint8)
    rows = array.reshape(-1, *data.draw(st.sampled_from([shape, (size,)]))).tolist()
    forms = [
        {"instances": rows},
        {"instances": [{"images": row} for row in rows]},
        {"inputs": rows},
        {"inputs": {"images": rows}},
        {"instances": rows, "remark": [True, "false"]},
    ]

    assert [(len(images), pixels)] * 5 == [decode(form, shape)[1] for form in forms]


LEAVES = st.integers(-1, 256) | st.sampled_from([0.5, 1.0, 2**31, 2**64, None, True, "7", {}])
LEAVES |= st.sampled_from([{"b64": "AA=="}, {"images": [0, 0, 0, 0]}, {"images": [[0]], "b": 1}])
LISTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@settings(max_examples=200)
@given(document=st.fixed_dictionaries({}, optional={"instances": LISTS, "inputs": LISTS}))
def test_whatever_is_sent_is_decoded_or_refused(document):
    """No JSON makes the decoder fail in any other way, and what it lets through has its size."""
    try:
        _, (rows, pixels) = decode(document, (2, 2, 1))
    except ServiceError:
        return
    assert rows * 4 == len(pixels)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("a", f'"a" Type: String {OF_TYPE}'),
        (1.0, f"1.0 Type: Number {OF_TYPE}"),
        (0.5, f"0.5 Type: Number {OF_TYPE}"),
        (2**31, f"2147483648 Type: Number {OF_TYPE}"),
        (10**30, f"1e+30 Type: Number {OF_TYPE}"),
        (math.nan, f"NaN Type: Number {OF_TYPE}"),
        (-math.inf, f"-Infinity Type: Number {OF_TYPE}"),
        (None, f"null Type: Null {OF_TYPE}"),
        (True, f"true Type: True {OF_TYPE}"),
        (False, f"false Type: False {OF_TYPE}"),
        ({"b64": "aGVsbG8="}, f'{{\n    "b64": "aGVsbG8="\n}} Type: Object {OF_TYPE}'),
        (256, "256 Type: Number is out of the range of type: uint8"),
        (-1, "-1 Type: Number is out of the range of type: uint8"),
    ],
    ids=str,
)
def test_a_pixel_is_an_integer(value, complaint):
    """No string, boolean, float or base64 is taken for one."""
    assert complaint == of_value(value)


def test_a_wrong_pixel_is_found_wherever_it_is():
    """In rows, in named rows, and in columns."""
    images = PIXELS.tolist()
    images[1][27][27] = [1.5]
    found = f"JSON Value: 1.5 Type: Number {OF_TYPE}"

    assert f"Error: INVALID_ARGUMENT: {found}" == of_element({"instances": images}, 1)
    named = {"instances": [{"images": image} for image in images]}
    assert f"Error: INVALID_ARGUMENT: {found}" == of_element(named, 1, " key: images")
    assert found == refusal({"inputs": images})
    assert found == refusal({"inputs": {"images": images}})


def ragged(image):
    image[5] = image[5][:27]
    return image


@pytest.mark.parametrize(
    ("elements", "complaint"),
    [
        (
            [PIXELS[0, :, :, 0].tolist(), ragged(PIXELS[1, :, :, 0].tolist())],
            "Encountered list at unexpected size: 27 at level: 1 expected size: 28",
        ),
        ([0, [1, [2]]], "Encountered list at unexpected level: 1 expected < 1"),
        (
            [0, [[1], 2]],
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ([[1, 2], [1]], "Expecting tensor size: 2 but got: 1"),
        ([[[1, 2], [3, 4]], [1, 2, 3, 4]], "Expecting shape [2,2] but got: [4]"),
        ([0, {"b64": ""}], f'JSON Value: {{\n    "b64": ""\n}} Type: Object {OF_TYPE}'),
        ([0, [[[[[[[[[1]]]]]]]]]], "a list of 9 levels is no image"),
    ],
)
def test_elements_have_the_same_form(elements, complaint):
    """The first decides; within one, its first lists do."""
    assert f"Error: INVALID_ARGUMENT: {complaint}" == of_element({"instances": elements}, 1)


@pytest.mark.parametrize(
    ("elements", "complaint"),
    [
        ([{"images": 1}, [1]], "Expecting object but got list at item 1 of input list"),
        ([{"images": 1}, {"b64": ""}], "Expecting object but got list at item 1 of input list"),
        ([[1], {"images": 1}], "Expecting value/list but got object at item 1 of input list"),
        ([[1], {"b64": 1}], "Expecting value/list but got object at item 1 of input list"),
    ],
)
def test_elements_are_all_named_or_none_is(elements, complaint):
    """An object that is a string in base64 names nothing."""
    assert complaint == refusal({"instances": elements})


def test_an_element_names_the_input_and_no_other():
    """Neither more nor less."""
    more = of_element({"instances": [{"images": 1, "x": 2}]}, key=" key: x")
    less = of_element({"instances": [{}]})

    assert "Error: INVALID_ARGUMENT: JSON object: does not have named input: x" == more
    assert "JSON object: {} keys must be equal to: images" == less


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"examples": [1]}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": {}}, "Missing named input: images in 'inputs' object."),
        ({"inputs": {"x": 1}}, "Missing named input: images in 'inputs' object."),
        (
            {"inputs": {"b64": "AA=="}},
            f'JSON Value: {{\n    "b64": "AA=="\n}} Type: Object {OF_TYPE}',
        ),
        (
            {"instances": 1},
            "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array",
        ),
        (
            {"instances": []},
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            {"inputs": 2, "instances": 1},
            (
                'JSON Value: {\n    "inputs": 2,\n    "instances": 1\n} Not formatted correctly '
                "expecting only one of 'inputs' or 'instances' keys to exist"
            ),
        ),
        (
            {"signature_name": 100},
            (
                'JSON Value: {\n    "signature_name": 100\n} not formatted correctly. '
                "'signature_name' key must be a string value."
            ),
        ),
        (
            {"signature_name": "foo", "instances": PIXELS.tolist()},
            'Serving signature name: "foo" not found in signature def',
        ),
    ],
    ids="{!s:.40}".format,
)
def test_a_request_without_its_keys_is_refused(document, complaint):
    """And one with too many, or with the wrong signature."""
    assert complaint == refusal(document)


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ({"instances": [1, 2]}, "[2]"),
        ({"instances": PIXELS[0, :, :, 0].tolist()[:4]}, "[4,28]"),
        ({"instances": [PIXELS[0, :27].tolist()]}, "[1,27,28,1]"),
        ({"inputs": 5}, "[]"),
        ({"inputs": []}, "[0]"),
        ({"inputs": [[]]}, "[1,0]"),
        ({"inputs": [PIXELS.tolist()]}, "[1,2,28,28,1]"),
    ],
    ids="{!s:.40}".format,
)
def test_a_tensor_of_another_shape_is_refused(document, shape):
    """There, that is left to the graph."""
    sentence = f"input 'images' has shape {shape}; {EXPECTED}"

    assert sentence == refusal(document, BadInputError)


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize("element", [PIXELS[0].tolist(), "a"], ids=["right", "wrong"])
def test_the_images_of_one_request_are_bounded(key, element):
    """Before they are looked at."""
    sentence = "5 images in one request; at most 4 are taken"

    assert sentence == refusal({key: [element] * 5}, TooLargeError)


def test_one_string_does_not_cost_what_as_many_strings_as_pixels_would():
    """An array of strings gives each the room of the longest."""
    document = {"instances": [[0] * 783 + ["x" * 100_000]]}
    tracemalloc.start()
    try:
        assert of_element(document).endswith(f" Type: String {OF_TYPE}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_what_is_larger_than_an_image_is_not_looked_at(key):
    """Its shape is said to be wrong, not what is in it."""
    sentence = f"input 'images' has shape [1,785]; {EXPECTED}"
    if key == "inputs":
        assert sentence == refusal({key: [[0] * 784 + ["a"]]}, BadInputError)
    assert sentence == refusal({key: [[0] * 785]}, BadInputError)
    larger = of_element({"instances": [PIXELS[0].tolist(), [0] * 784 + ["a"]]}, 1)
    assert "Error: INVALID_ARGUMENT: Expecting tensor size: 784 but got: 785" == larger


def test_many_images_are_read():
    """As few are, in order."""
    images = [{"images": [[n]]} for n in range(99)]

    assert (99, bytes(range(99))) == decode({"instances": images}, (1, 1, 1), 100)[1]
