"""The images of a request, and what is refused that is none."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.api.tensorflow_serving.decoding import decode_images
from app.web.api.tensorflow_serving.errors import InvalidArgumentError
from app.web.http.errors import ServiceError, TooLargeError

SHAPE = (28, 28, 1)
PIXELS = np.arange(2 * 784, dtype=np.uint8).reshape(2, *SHAPE)
RANGE = "pixels are whole numbers from 0 (background) to 255 (ink)"
EXPECTED = "28 rows of 28, or 784 numbers, are expected"
ALONE = '; one image alone is still a list of one: {"instances": [image]}'


def decode(document, shape=SHAPE, most=4):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode_images(content, shape, most)


def refusal(document, error=InvalidArgumentError, **bounds):
    with pytest.raises(error) as caught:
        decode(document, **bounds)
    assert error is caught.type
    return str(caught.value)


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

    assert (key, 2, PIXELS.tobytes()) == decode(document)


def test_rows_may_be_objects():
    """Each names the only input."""
    document = {"instances": [{"images": image} for image in PIXELS.tolist()]}

    assert ("instances", 2, PIXELS.tobytes()) == decode(document)


def test_columns_may_be_an_object():
    """Inputs that the signature does not have are not read."""
    document = {"inputs": {"other": "x", "images": PIXELS.tolist()}}

    assert ("inputs", 2, PIXELS.tobytes()) == decode(document)


def test_what_follows_the_document_is_not_read():
    """Be it another."""
    body = json.dumps({"instances": PIXELS.tolist()}).encode()

    assert ("instances", 2, PIXELS.tobytes()) == decode(body + b'{"instances": [1]}')


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

    assert [(len(images), pixels)] * 5 == [decode(form, shape)[1:] for form in forms]


LEAVES = st.integers(-1, 256) | st.sampled_from([0.5, 1.0, 2**31, 2**64, None, True, "7", {}])
LEAVES |= st.sampled_from([{"b64": "AA=="}, {"images": [0, 0, 0, 0]}, {"images": [[0]], "b": 1}])
LISTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@settings(max_examples=200)
@given(document=st.fixed_dictionaries({}, optional={"instances": LISTS, "inputs": LISTS}))
def test_whatever_is_sent_is_decoded_or_refused(document):
    """No JSON makes the decoder fail in any other way, and what it lets through has its size."""
    try:
        _, rows, pixels = decode(document, (2, 2, 1))
    except ServiceError:
        return
    assert rows * 4 == len(pixels)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a", " is the string 'a'"),
        (1.0, ": 1.0 is written as a fraction"),
        (0.5, ": 0.5 is a fraction"),
        (2**31, ": 2147483648 is out of range"),
        (10**30, ": 1e+30 is out of range"),
        (math.nan, ": nan is out of range"),
        (-math.inf, ": -inf is out of range"),
        (None, " is null"),
        (True, " is the boolean true"),
        (False, " is the boolean false"),
        ({"b64": "aGVsbG8="}, " is an object"),
        (256, ": 256 is out of range"),
        (-1, ": -1 is out of range"),
        ([1], " is a list of 1"),
    ],
    ids=str,
)
def test_a_pixel_is_an_integer(value, found):
    """No string, boolean, float or base64 is taken for one; it is found wherever it is."""
    images = PIXELS[:, :, :, 0].tolist()
    images[1][27][26] = value

    for document in (
        {"instances": images},
        {"instances": [{"images": image} for image in images]},
        {"inputs": images},
        {"inputs": {"images": images}},
    ):
        (key,) = document
        place = f"image 1 of {key}, row 27, column 26"
        assert refusal(document).startswith(f"{place}{found}; {RANGE}")


def ragged(image):
    image[5] = image[5][:27]
    return image


@pytest.mark.parametrize(
    ("element", "found"),
    [
        (
            ragged(PIXELS[1, :, :, 0].tolist()),
            ", row 5 has 27 columns; 28 are expected",
        ),
        ([[1], [2]], " has 2 rows; 28 are expected"),
        ([0, [1]], f" has 2 numbers; {EXPECTED}"),
        ([], f" is empty; {EXPECTED}"),
        (0, f" is the number 0; {EXPECTED}{ALONE}"),
        (PIXELS[1].ravel().tolist(), " is nested 1 deep; 2 are expected, as of the first"),
        (PIXELS[1].tolist(), " is nested 3 deep; 2 are expected, as of the first"),
        ([[[[[[[[[1]]]]]]]]], " has 1 rows; 28 are expected"),
    ],
    ids="{!s:.40}".format,
)
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_elements_have_the_same_form(key, element, found):
    """The first decides."""
    elements = [PIXELS[0, :, :, 0].tolist(), element]

    assert f"image 1 of {key}{found}" == refusal({key: elements})


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ([{"images": 1}, [1]], "1 of instances is a list of 1"),
        ([{"images": 1}, {"b64": ""}], "1 of instances is an object with the keys b64"),
        ([[1], {"images": 1}], "0 of instances is a list of 1"),
        ([[1], {"b64": 1}], "0 of instances is a list of 1"),
        ([{"images": 1, "x": 2}], "0 of instances is an object with the keys images, x"),
        ([{}], "0 of instances is an object with the keys none"),
    ],
)
def test_elements_are_all_named_or_none_is(elements, found):
    """Each names the input and no other."""
    expected = "an object with the one key images is expected, since one is an object"

    assert f"image {found}; {expected}" == refusal({"instances": elements})


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "the body has the keys none; one of instances and inputs is expected"),
        (
            {"examples": [1]},
            "the body has the keys examples; one of instances and inputs is expected",
        ),
        (
            {"inputs": 2, "instances": 1},
            "the body has the keys inputs, instances; one of instances and inputs is expected",
        ),
        ({"inputs": {}}, "inputs has the keys none; images is expected"),
        ({"inputs": {"x": 1}}, "inputs has the keys x; images is expected"),
        ({"inputs": {"b64": "AA=="}}, "inputs has the keys b64; images is expected"),
        ({"inputs": {"images": 5}}, "inputs is the number 5; a list of images is expected"),
        ({"inputs": []}, "inputs is a list of 0; a list of images is expected"),
        ({"instances": 1}, "instances is the number 1; a list of images is expected"),
        ({"instances": {}}, "instances is an object; a list of images is expected"),
        ({"instances": []}, "instances is a list of 0; a list of images is expected"),
        ({"signature_name": 100}, "signature_name is the number 100; a string is expected"),
        (
            {"signature_name": "foo", "instances": PIXELS.tolist()},
            'Serving signature name: "foo" not found in signature def',
        ),
    ],
    ids="{!s:.40}".format,
)
def test_a_request_without_its_keys_is_refused(document, sentence):
    """And one with too many, or with the wrong signature."""
    assert sentence == refusal(document)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            {"instances": [1, 2]},
            f"image 0 of instances is the number 1; {EXPECTED}{ALONE}",
        ),
        (
            {"instances": PIXELS[0, :, :, 0].tolist()[:4]},
            (f"image 0 of instances has 28 numbers; {EXPECTED}; is this one image, not in a list?"),
        ),
        (
            {"instances": [PIXELS[0, :27].tolist()]},
            "image 0 of instances has 27 rows; 28 are expected",
        ),
        ({"inputs": [[]]}, f"image 0 of inputs is empty; {EXPECTED}"),
        ({"inputs": [PIXELS.tolist()]}, "image 0 of inputs has 2 rows; 28 are expected"),
    ],
    ids="{!s:.40}".format,
)
def test_a_tensor_of_another_shape_is_refused(document, sentence):
    """There, that is left to the graph."""
    assert sentence == refusal(document)


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
        assert refusal(document).startswith("image 0 of instances, pixel 783 is the string 'xxx")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_what_is_larger_than_an_image_is_not_looked_at(key):
    """Its shape is said to be wrong, not what is in it."""
    found = f"image 1 of {key} has 785 numbers; {EXPECTED}"

    assert found == refusal({key: [[0] * 784, [0] * 784 + ["a"]]})


def test_many_images_are_read():
    """As few are, in order."""
    images = [{"images": [[n]]} for n in range(99)]

    assert (99, bytes(range(99))) == decode({"instances": images}, (1, 1, 1), 100)[1:]
