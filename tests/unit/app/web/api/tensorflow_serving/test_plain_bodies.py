"""The short way takes the usual bodies, and what it takes it reads as JSON means it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.api.tensorflow_serving.plain_bodies import read_plain_body
from app.web.api.tensorflow_serving.tensors import images_of
from app.web.http.errors import ServiceError

SHAPE = (2, 3, 1)
PIXELS = [0, 1, 20, 255, 9, 100]
ROWS = [PIXELS[:3], PIXELS[3:]]
CHANNELS = [[[pixel] for pixel in row] for row in ROWS]
NAMED = {"images": ROWS}


def read(body, most=4):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_plain_body(content, SHAPE, most)


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("image", [ROWS, PIXELS, CHANNELS], ids=["rows", "flat", "a channel"])
@pytest.mark.parametrize("extra", [{}, {"signature_name": "serving_default"}])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_images_are_read_with_and_without_the_name(layout, image, extra, count):
    """However they are spaced."""
    images = [image] * count
    for key, value in (
        ("instances", images),
        ("inputs", images),
        ("instances", [{"images": one} for one in images]),
        ("inputs", {"images": images}),
    ):
        content = json.dumps(extra | {key: value}, **layout).encode()

        assert (key, count, bytes(PIXELS * count)) == read(content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {"instances": []},
        {"instances": [NAMED] * 5},
        {"instances": [NAMED, ROWS]},
        {"instances": [ROWS, NAMED]},
        {"instances": [NAMED, {"images": PIXELS}]},
        {"instances": [NAMED, {"pictures": ROWS}]},
        {"instances": [{"pictures": ROWS}]},
        {"instances": [{"images": ROWS, "more": 1}]},
        {"instances": [{"images": [*ROWS, ROWS[0]]}]},
        {"instances": [{"images": []}]},
        {"instances": [{}]},
        {"instances": [NAMED], "inputs": [ROWS]},
        {"instances": [NAMED], "signature_name": "other"},
        {"instances": {"images": [ROWS]}},
        {"inputs": [NAMED]},
        {"inputs": {"images": [ROWS] * 5}},
        {"inputs": {"images": [ROWS], "more": 1}},
        {"inputs": {"images": []}},
        b'{"instances":[{"images":[1,2,3,4,5,6],[1,2,3,4,5,6]}]}',
        b'{"instances":[{"images":[1,2,3,4,5,6],[1,2,3]},{"images":[4,5,6]}]}',
        b'{"instances":[{"images":[1,2,3},{"images":4,5,6]}]}',
        b'{"instances":[{"images":[1,2,3,4,5,6]},{"images":}]}',
        b'{"instances":[{"images":[1,2,3,4,5,6]}]}]}',
        b'{"instances":[{"images":[1,2,3,4,5,6]}]',
        b'{"inputs":{"images":[[1,2,3,4,5,6]]}}}',
        b'{"inputs":{"images":[[1,2,3,4,5,6]]}',
        b'{\v"signature_name":"","instances":[[1,2,3,4,5,6]]}',
        b'{"signature_name":"",\f"inputs":[[1,2,3,4,5,6]]}',
    ],
    ids=str,
)
def test_anything_else_is_left(body):
    """Right or wrong, somebody else looks at it."""
    assert read(body) is None


@pytest.mark.parametrize(
    "document", [{"instances": [NAMED, NAMED]}, {"inputs": {"images": [ROWS, ROWS]}}]
)
@given(data=st.data())
def test_what_is_taken_is_what_json_means(document, data):
    """A body with some characters changed is read as it is, or left."""
    content = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        inserted = data.draw(st.sampled_from(list(b'0123456789 ,[]{}":.-eabt\\\n')))
        content[place : place + data.draw(st.integers(0, 1))] = bytes([inserted])
    taken = read(bytes(content))

    assert taken in (None, _meant(content))


def _meant(content):
    """Return the result of the full parser; a value that equals nothing if it raises."""
    try:
        return images_of(json.loads(content), SHAPE, 4)
    except (ValueError, ServiceError):
        return object()


@pytest.mark.parametrize("count", [31, 32, 64, 100])
def test_many_rows_are_read(count):
    """All of them, in order."""
    body = {"instances": [NAMED] * count}

    assert ("instances", count, bytes(PIXELS * count)) == read(body, 100)
