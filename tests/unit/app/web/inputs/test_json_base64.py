"""Instances that are base64: to the letter, and raw pixels are told from pictures."""

from __future__ import annotations

import base64
import json

import pytest

from app.web.http.errors import BadInputError
from app.web.inputs.images import Images
from app.web.inputs.json_base64 import decode_base64, is_raw
from app.web.inputs.json_instances import decode_instances

SHAPE = (2, 2, 1)


def b64(content: bytes) -> dict:
    return {"b64": base64.b64encode(content).decode()}


def refusal(instance: object) -> str:
    with pytest.raises(BadInputError) as caught:
        decode_base64("instance 3", instance)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"1", b"12", b"123", bytes(range(256))])
def test_what_was_encoded_comes_back(content):
    """Of any length."""
    assert content == decode_base64("", b64(content))


@pytest.mark.parametrize(
    ("instance", "sentence"),
    [
        ({}, "is an object with the keys none; an object has the one key"),
        ({"image": ""}, "is an object with the keys image; an object has the one key"),
        ({"b64": "", "more": 1}, "is an object with the keys b64, more; an object has the"),
        ({"b64": None}, "is an object with the keys b64; an object has the one key"),
        ({"b64": 7}, ", b64 is the number 7; a string of base64 is expected"),
        ({"b64": ["AAAA"]}, ", b64 is a list of 1; a string of base64 is expected"),
        ({"b64": "data:image/png;base64,AAAA"}, "is a data URL; what follows its comma is"),
        ({"b64": "AAA"}, ", b64 is not base64: incorrect padding"),
        ({"b64": "AAAA\n"}, ", b64 is not base64: only base64 data is allowed"),
        ({"b64": "AA AA"}, ", b64 is not base64: only base64 data is allowed"),
        ({"b64": "-_-_"}, ", b64 is not base64: only base64 data is allowed"),
        ({"b64": "AA==AAAA"}, ", b64 is not base64: excess data after padding"),
        ({"b64": "===="}, ", b64 is not base64: leading padding not allowed"),
        ({"b64": "ääää"}, ", b64 is not base64: string argument should contain only ascii"),
    ],
    ids=repr,
)
def test_what_is_no_base64_is_refused(instance, sentence):
    """Which instance, what was found and what is expected."""
    found = refusal(instance)

    assert found.startswith("instance 3")
    assert sentence in found


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        (bytes(32), True),
        (bytes(31), False),
        (bytes(33), False),
        (b"\x89PNG\r\n\x1a\n".ljust(32), False),
        (b"\xff\xd8\xff".ljust(32), False),
        (b"RIFF    WEBP".ljust(32), False),
        (b"RIFF    WAVE".ljust(32), True),
        (b"BM\x20\0\0\0".ljust(32), False),
        (b"BM\x21\0\0\0".ljust(32), True),
    ],
)
def test_pixels_are_told_from_pictures(content, raw):
    """By their length, unless they begin as a picture's file of that length does."""
    assert raw == is_raw(content, 32)


class Files:
    """Reads each file as four times its last digit."""

    def __call__(self, pictures, name):
        self.names = [name(index) for index in range(len(pictures))]
        pixels = b"".join(bytes([int(picture[-1:])] * 4) for picture in pictures)
        return Images(len(pictures), pixels, [(f"note {n}",) for n in range(len(pictures))])


def test_all_kinds_may_stand_side_by_side():
    """In their order, and notes are on those that are pictures."""
    files = Files()
    instances = [
        b64(b"picture 7"),
        [9, 9, 9, 9],
        b64(b"\1\2\3\4"),
        b64(b"picture 8"),
        [[5, 5], [5, 5]],
    ]

    images = decode_instances(json.dumps({"instances": instances}).encode(), SHAPE, 5, files)

    assert (5, b"\7\7\7\7\x09\x09\x09\x09\1\2\3\4\x08\x08\x08\x08\5\5\5\5") == images[:2]
    assert [("note 0",), (), (), ("note 1",), ()] == images.notes
    assert ["instance 0", "instance 3"] == files.names


def test_raw_pixels_have_no_notes():
    """They are no pictures."""
    body = json.dumps({"instances": [b64(bytes(4))]}).encode()

    assert Images(1, bytes(4)) == decode_instances(body, SHAPE, 5)


def test_pictures_are_refused_where_none_are_read():
    """Whoever reads instances says what reads their pictures."""
    body = json.dumps({"instances": [b64(b"picture 7")]}).encode()

    with pytest.raises(BadInputError, match="instance 0 is a picture; pixels are expected"):
        decode_instances(body, SHAPE, 5)
