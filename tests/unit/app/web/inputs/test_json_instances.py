"""The JSON of /predict: every layout gives the same pixels, every fault its own sentence."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.http.errors import BadInputError, ServiceError, TooLargeError
from app.web.inputs.images import Images
from app.web.inputs.json_instances import decode_instances

SHAPE = (28, 28, 1)
RANGE = "pixels are whole numbers from 0 (background) to 255 (ink)"
EXPECTED = "28 rows of 28, or 784 numbers, are expected"
ONE_KEY = 'an object has the one key "b64"'
LIST_OF_ONE = 'one image alone is still a list of one: {"instances": [image]}'


def rows(*, value: object = 0) -> list:
    """Return a blank image as rows, with a value at row 2, column 3."""
    image = [[0] * 28 for _ in range(28)]
    image[2][3] = value
    return image


def flat(*, value: object = 0) -> list:
    return [pixel for row in rows(value=value) for pixel in row]


def channels(*, value: object = 0) -> list:
    return [[[pixel] for pixel in row] for row in rows(value=value)]


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


def refusal(content: bytes, error: type[ServiceError] = BadInputError) -> str:
    """Decode a wrong body; gives the sentence that it is refused with."""
    with pytest.raises(error) as caught:
        decode_instances(content, SHAPE, 4)
    assert error is caught.type
    return str(caught.value)


def nested(pixels: list, *dimensions: int) -> list:
    """Nest a flat list."""
    for size in reversed(dimensions[1:]):
        pixels = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    return pixels


@settings(max_examples=30)
@given(
    shape=st.sampled_from([(3, 2, 1), (2, 3, 3), (1, 1, 1), (4, 4, 1)]),
    data=st.data(),
    floats=st.booleans(),
    remark=st.sampled_from([{}, {"verbose": True}, {"comment": "false"}]),
)
def test_every_layout_gives_the_same_pixels(shape, data, floats, remark):
    """Flat, rows or channels, mixed within a body, and 255.0 is as good as 255."""
    size = math.prod(shape)
    layouts = [(size,), shape, *([shape[:2]] if shape[2] == 1 else [])]
    images = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=4))
    kind = float if floats else int
    instances = [
        nested([kind(pixel) for pixel in image], *data.draw(st.sampled_from(layouts)))
        for image in images
    ]
    content = json.dumps({"instances": instances, **remark}).encode()

    assert Images(len(images), b"".join(images)) == decode_instances(content, shape, 4)


LEAVES = st.integers(0, 255) | st.sampled_from([256, -1, 0.5, 1e300, 2**64, None, True, "7", {}])
LISTS = st.lists(LEAVES, min_size=1, max_size=4)
IMAGES = LISTS | st.lists(LEAVES | LISTS | st.lists(LEAVES | LISTS, max_size=2), max_size=2)


@settings(max_examples=100)
@given(instances=st.lists(IMAGES | LEAVES, max_size=3) | LEAVES)
def test_whatever_is_sent_is_decoded_or_refused(instances):
    """No JSON makes the decoder fail in any other way, and what it lets through has its size."""
    content = json.dumps({"instances": instances}).encode()
    try:
        number, pixels, _ = decode_instances(content, (2, 2, 1), 4)
    except ServiceError:
        return
    assert (number, number * 4) == (len(instances), len(pixels))


@settings(max_examples=50)
@given(content=st.binary(max_size=20))
def test_whatever_bytes_are_sent_are_refused(content):
    """Nothing so short is an image, and nothing raises but a refusal."""
    with pytest.raises(BadInputError):
        decode_instances(content, SHAPE, 4)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (256, ": 256 is out of range"),
        (-1, ": -1 is out of range"),
        (1e300, ": 1e+300 is out of range"),
        (10**30, ": 1e+30 is out of range"),
        (2**64 - 1, ": 18446744073709551615 is out of range"),
        (1.5, ": 1.5 is a fraction"),
        (-0.5, ": -0.5 is a fraction"),
        (None, " is null"),
        (True, " is the boolean true"),
        (False, " is the boolean false"),
        ("7", " is the string '7'"),
        ("x" * 60, f" is the string '{'x' * 40}…'"),
        ({"b64": ""}, " is an object"),
        ([7, 7], " is a list of 2"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("layout", "place"),
    [
        (rows, "row 2, column 3"),
        (flat, "pixel 59"),
        (channels, "row 2, column 3, channel 0"),
    ],
    ids=["rows", "flat", "channels"],
)
def test_a_wrong_pixel_is_named_with_its_place(layout, place, value, found):
    """The instance, the place in the caller's own layout, what was found and what is expected."""
    content = body(rows(), layout(value=value))

    assert f"instance 1, {place}{found}; {RANGE}" == refusal(content)


def test_one_string_does_not_cost_what_as_many_strings_as_pixels_would():
    """An array of strings gives each the room of the longest."""
    content = body(flat(value="x" * 100_000))
    tracemalloc.start()
    try:
        assert refusal(content).startswith("instance 0, pixel 59 is the string 'xxx")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize("layout", [rows, flat, channels])
def test_pixels_scaled_to_one_get_a_hint(layout):
    """The most usual mistake is told as such."""
    assert refusal(body(layout(value=0.5))).endswith(
        f": 0.5 is a fraction; {RANGE} and are not scaled to 0..1"
    )


def test_the_first_wrong_pixel_is_told():
    """One sentence, about the first fault in reading order."""
    image = rows(value=300)
    image[20][20] = -1

    assert f"instance 0, row 2, column 3: 300 is out of range; {RANGE}" == refusal(body(image))


@pytest.mark.parametrize(
    ("instance", "sentence"),
    [
        ([], f"is empty; {EXPECTED}"),
        ([[]], "has 1 rows; 28 are expected"),
        (rows()[:27], "has 27 rows; 28 are expected"),
        ([*rows(), [0] * 28], "has 29 rows; 28 are expected"),
        ([*rows()[:5], [0] * 27, *rows()[6:]], ", row 5 has 27 columns; 28 are expected"),
        ([*rows()[:5], [], *rows()[6:]], ", row 5 has 0 columns; 28 are expected"),
        ([[], *rows()[1:]], ", row 0 has 0 columns; 28 are expected"),
        (
            [*rows()[:5], 7, *rows()[6:]],
            ", row 5 is the number 7; a list of 28 columns is expected",
        ),
        (flat()[1:], f"has 783 numbers; {EXPECTED}"),
        ([0] * 28, f"has 28 numbers; {EXPECTED}; is this one image, not in a list?"),
        (
            [[[0, 0]] * 28] * 28,
            ", row 0, column 0 has 2 channels; 1 are expected",
        ),
        (
            [*channels()[:3], [0] * 28, *channels()[4:]],
            ", row 3, column 0 is the number 0; a list of 1 channels is expected",
        ),
        (
            [*rows()[:3], [[0]] * 28, *rows()[4:]],
            f", row 3, column 0 is a list of 1; {RANGE}",
        ),
        (7, f"is the number 7; {EXPECTED}; {LIST_OF_ONE}"),
        (None, f"is null; {EXPECTED}; {LIST_OF_ONE}"),
        ("abc", f"is the string 'abc'; {EXPECTED}; {LIST_OF_ONE}"),
        ("a" * 784, f"is the string '{'a' * 40}…'; {EXPECTED}; {LIST_OF_ONE}"),
        ({"pixels": []}, f"is an object with the keys pixels; {ONE_KEY}"),
        (
            dict.fromkeys("abcdefg"),
            f"is an object with the keys a, b, c, d, e; {ONE_KEY}",
        ),
    ],
    ids=[
        "empty",
        "an empty row alone",
        "a row less",
        "a row more",
        "ragged",
        "an empty row",
        "an empty first row",
        "a number for a row",
        "a number less",
        "one image not in a list",
        "two channels",
        "a row without channels",
        "a row with channels",
        "number",
        "null",
        "string",
        "string of 784",
        "object",
        "object of many",
    ],
)
def test_a_wrong_form_is_described(instance, sentence):
    """Which instance, what was found, and what is expected."""
    where = "instance 2" if sentence.startswith(",") else "instance 2 "

    assert where + sentence == refusal(body(rows(), flat(), instance))


def test_deep_nesting_below_json_s_own_bound_is_a_wrong_form():
    """Even where numpy would not count that many dimensions."""
    deep = b'{"instances": [' + b"[" * 900 + b"]" * 900 + b"]}"

    assert "instance 0 has 1 rows; 28 are expected" == refusal(deep)


@pytest.mark.parametrize(
    ("instances", "sentence"),
    [
        ([], "is empty; give at least one image"),
        ({}, "is an object; a list of images is expected"),
        (None, "is null; a list of images is expected"),
        ("x", "is the string 'x'; a list of images is expected"),
        (3.5, "is the number 3.5; a list of images is expected"),
        (True, "is the boolean true; a list of images is expected"),
    ],
    ids=str,
)
def test_instances_must_be_a_list_of_images(instances, sentence):
    """The field is named, for programs as well."""
    content = json.dumps({"instances": instances}).encode()

    assert f"instances {sentence}" == refusal(content)
    with pytest.raises(BadInputError) as caught:
        decode_instances(content, SHAPE, 4)
    assert {"field": "instances"} == caught.value.details


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", 'the body is empty; {"instances": [...]} is expected'),
        (b"[]", 'the body is a list of 0; an object {"instances": [...]} is expected'),
        (b"null", 'the body is null; an object {"instances": [...]} is expected'),
        (b"{}", 'the body has no key "instances" (its keys: none)'),
        (b'{"images": 1, "b": 2}', 'the body has no key "instances" (its keys: b, images)'),
        (b'{"%s": 1}' % (b"k" * 99), f'the body has no key "instances" (its keys: {"k" * 40}…)'),
        (
            b'{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0}',
            'the body has no key "instances" (its keys: a, b, c, d, e)',
        ),
    ],
    ids=["nothing", "list", "null", "no keys", "other keys", "a long key", "many keys"],
)
def test_the_body_must_be_an_object_with_instances(content, sentence):
    """What was found is described, however large it was, in few words."""
    assert sentence == refusal(content)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b'{"instances": [[1,]]}',
            "trailing comma is not allowed (line 1, column 18)",
        ),
        (
            b'{"instances":\n [1 2]}',
            "unexpected character, expected ',' or ']' (line 2, column 5)",
        ),
        (
            b'{"instances": [[-]]}',
            "no digit after sign (line 1, column 18)",
        ),
        (
            b'{"\xff\xfe',
            "str is not valid UTF-8: surrogates not allowed (line 1, column 1)",
        ),
    ],
    ids=["comma", "second line", "sign", "no UTF-8"],
)
def test_malformed_json_is_told_with_its_place(content, sentence):
    """The parser's words, and where it stopped."""
    assert f"the body is not valid JSON: {sentence}" == refusal(content)


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("NaN", "NaN"),
        ("-NaN", "-NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "a number out of range"),
    ],
)
def test_what_only_python_takes_for_a_number_is_named(number, found):
    """NaN and infinity are no JSON, but what pixels are is the better answer."""
    content = f'{{"instances": [[{number}]]}}'.encode()

    assert f"{found} at character 16: {RANGE}" == refusal(content)


def test_a_hundred_thousand_brackets_are_refused():
    """Neither the parser nor Python's stack minds."""
    deep = b"[" * 100_000 + b"]" * 100_000

    assert "the JSON is nested too deep; an image has 3 levels" == refusal(deep)


def test_too_many_images_are_refused_before_they_are_looked_at():
    """With how many there were and may be, for programs as well."""
    content = body(*[None] * 5)

    expected = "5 images in one request; at most 4 are taken"
    assert expected == refusal(content, TooLargeError)
    with pytest.raises(TooLargeError) as caught:
        decode_instances(content, SHAPE, 4)
    assert {"found": 5, "limit": 4} == caught.value.details


def test_as_many_images_as_allowed_are_taken():
    """The bound itself is within it."""
    assert Images(4, bytes(4 * 784)) == decode_instances(body(*[rows()] * 4), SHAPE, 4)


def test_colour_images_need_their_channels():
    """Rows of numbers are no image of three channels, but a flat list is."""
    with pytest.raises(BadInputError, match=r"^instance 0, row 0, column 0 is the number 0; "):
        decode_instances(body([[0, 0], [0, 0]]), (2, 2, 3), 4)

    assert Images(1, bytes(12)) == decode_instances(body([0] * 12), (2, 2, 3), 4)


@pytest.mark.parametrize(
    "again", [b',"instances":[]}', b', "instances" : 7}', b',"a":{"instances":1},"instances":[]}']
)
def test_instances_given_twice_are_refused(again):
    """Nobody knows which are meant."""
    content = body(flat())[:-1] + again

    assert 'the body has the key "instances" twice; give it once' == refusal(content)


@pytest.mark.parametrize(
    "remark", [{"comment": "instances"}, {"more": {"instances": 1}}, {"more": '"instances":'}]
)
def test_the_word_may_stand_elsewhere(remark):
    """As a value, or further inside."""
    content = json.dumps({**remark, "instances": [flat()]}).encode()

    assert Images(1, bytes(784)) == decode_instances(content, SHAPE, 4)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_is_told_apart(encoding):
    """It is not called malformed JSON."""
    content = body(flat()).decode().encode(encoding)

    expected = "the body is not plain UTF-8: JSON has no byte order mark and no NUL"
    assert expected == refusal(content)
