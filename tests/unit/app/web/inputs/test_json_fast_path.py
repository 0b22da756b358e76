"""The short way takes only what is right, and what it takes it reads as JSON means it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.inputs.json_fast_path import read_plain

GREY = (2, 3, 1)
COLOUR = (1, 2, 3)
PIXELS = [0, 1, 20, 255, 9, 100]
ROWS = [PIXELS[:3], PIXELS[3:]]
CHANNELS = [[[pixel] for pixel in row] for row in ROWS]


def body(*instances: object, **layout) -> bytes:
    return json.dumps({"instances": instances}, **layout).encode()


def read(content: bytes, shape=GREY, most=4):
    return read_plain(content, shape, most)


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize(
    ("shape", "image"),
    [
        (GREY, ROWS),
        (GREY, PIXELS),
        (GREY, CHANNELS),
        (COLOUR, PIXELS),
        (COLOUR, [[PIXELS[:3], PIXELS[3:]]]),
    ],
    ids=["rows", "flat", "a channel", "flat rgb", "rgb"],
)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_usual_json_is_read(layout, shape, image, count):
    """However it is spaced."""
    content = body(*[image] * count, **layout)

    assert (count, bytes(PIXELS * count)) == read(content, shape)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        body(),
        body(*[ROWS] * 5),
        body(ROWS, PIXELS),
        body([CHANNELS[0], [[0], [], [0]]]),
        body([[[[]] * 3] * 2][0]),
        body([PIXELS[:2], PIXELS[2:]]),
        body([[*PIXELS[:3], 256], PIXELS[3:]]),
        body([[0, 1, 256], PIXELS[3:]]),
        body([[0, 1, 2**64], PIXELS[3:]]),
        body([[0, 1, -1], PIXELS[3:]]),
        body([[0, 1, 1.0], PIXELS[3:]]),
        body([[0, 1, True], PIXELS[3:]]),
        body([[0, 1, None], PIXELS[3:]]),
        body([[0, 1, "1"], PIXELS[3:]]),
        body(ROWS).replace(b"20", b""),
        body(ROWS).replace(b"20", b"020"),
        body(ROWS).replace(b"20", b"2 0"),
        body(ROWS).replace(b"instances", b"inst1ances"),
        body(ROWS).replace(b"instances", b"in stances"),
        body(ROWS) + b"1",
        b"1" + body(ROWS),
        body(ROWS)[:-1],
    ],
)
def test_anything_else_is_left(content):
    """Right or wrong, somebody else looks at it."""
    assert read(content) is None


@given(data=st.data())
def test_what_is_taken_is_what_json_means(data):
    """A body with some characters changed is read as it is, or left."""
    content = bytearray(body(ROWS, ROWS))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        inserted = data.draw(st.sampled_from(list(b'0123456789 ,[]{}":.-eabt\\\n')))
        content[place : place + data.draw(st.integers(0, 1))] = bytes([inserted])
    taken = read(bytes(content))

    if taken is not None:
        images = json.loads(content)["instances"]
        flat = [[p for row in image for p in row] for image in images]
        assert (len(images), bytes(p for image in flat for p in image)) == taken
        assert [len(ROWS) * len(ROWS[0])] * len(images) == [len(image) for image in flat]


@pytest.mark.parametrize("count", [31, 32, 33, 64, 100])
@pytest.mark.parametrize("layout", [{}, {"separators": (",", ":")}])
@pytest.mark.parametrize("channels", [False, True])
def test_many_images_are_read_in_slices(layout, channels, count):
    """The images are the same, in order."""
    pixels = [[[n] if channels else n] * 3 for n in range(count)]
    content = body(*[[row, row] for row in pixels], **layout)

    assert (count, bytes(n for n in range(count) for _ in range(6))) == read(content, most=100)


def test_the_images_may_stand_at_another_key():
    """Only at that one, then."""
    content = body(ROWS, ROWS).replace(b"instances", b"inputs")

    assert (2, bytes(PIXELS * 2)) == read_plain(content, GREY, 4, "inputs")
    assert read(content) is None
    assert read_plain(body(ROWS), GREY, 4, "inputs") is None


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b"]], [[32", b"]] [[32"), (b"]], [[32", b"]],, [[32"), (b"]], [[32", b"]], 1, [[32")],
    ids=["no comma", "two commas", "something"],
)
def test_what_lies_between_slices_is_checked(right, wrong):
    """A comma, and nothing else."""
    content = body(*[[[n, n, n], [n, n, n]] for n in range(40)])
    assert read(content, most=40) is not None

    assert read(content.replace(right, wrong), most=40) is None


def test_the_bound_holds_over_all_slices():
    """It is on the images of the request."""
    content = body(*[ROWS] * 65)

    assert read(content, most=65) is not None
    assert read(content, most=64) is None


def test_one_body_is_read_while_another_is(monkeypatch):
    """Threads read beside the event loop; none is in the other's way at any moment."""
    content, found = body(ROWS), []
    frombuffer = np.frombuffer

    def read_another(*arguments):
        monkeypatch.setattr(np, "frombuffer", frombuffer)
        found.append(read_plain(content, GREY, 4))
        return frombuffer(*arguments)

    monkeypatch.setattr(np, "frombuffer", read_another)
    found.append(read_plain(content, GREY, 4))

    assert [(1, bytes(PIXELS))] * 2 == found
