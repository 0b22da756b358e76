"""Files of pictures in a tensor: cut and decoded, and nothing is left over."""

from __future__ import annotations

import struct

import pytest

from app.web.api.open_inference.files import name_of, read_files
from app.web.api.open_inference.tensors import Tensor
from app.web.http.errors import BadInputError, TooLargeError


def read(data, shape=(2,)):
    """Read a tensor where at most four pictures are taken."""
    return read_files(Tensor("images", "BYTES", shape, data), 4)


def binary(*elements):
    """Put its length before each element."""
    return memoryview(b"".join(struct.pack("<I", len(e)) + e for e in elements))


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ((2,), ["b25l", "dHdvIQ=="]),
        ((2, 1), ["b25l", "dHdvIQ=="]),
        ((2, 1), [["b25l"], ["dHdvIQ=="]]),
        ((2,), binary(b"one", b"two!")),
        ((2, 1), binary(b"one", b"two!")),
    ],
    ids=["flat", "column", "nested", "bytes", "column of bytes"],
)
def test_files_come_in_order(shape, data):
    """In base64, or each behind its length."""
    assert [b"one", b"two!"] == read(data, shape)


@pytest.mark.parametrize("shape", [(), (0,), (-1,), (2, 2), (1, 28, 28)], ids=str)
def test_another_shape_is_refused(shape):
    """A picture tells its own size."""
    with pytest.raises(BadInputError) as caught:
        read(["b25l"], shape)

    found = f"input images has the shape {list(shape)}"
    assert f"{found}; [n] or [n, 1] is expected of BYTES, n at least 1" == str(caught.value)


def test_too_many_pictures_are_refused():
    """Before any is looked at."""
    with pytest.raises(TooLargeError, match=r"^5 images in one request; at most 4 are taken$"):
        read([], (5,))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["b25l"], "input images has 1 pictures; 2 are expected for shape [2]"),
        (["b25l", 7], "input images, picture 1 is no string; the base64 of its file is expected"),
        (["b25l", []], "input images, picture 1 is no string; the base64 of its file is expected"),
        (["b25l", "b25"], "input images, picture 1 is not base64: incorrect padding"),
        (["é", "b25l"], "input images, picture 0 is not base64: string argument should contain "),
        (["b2 5l", "b25l"], "input images, picture 0 is not base64: only base64 data is allowed"),
        (binary(b"one"), "input images, picture 1 ends after the 7 bytes of its tensor; "),
        (binary(b"one")[:-1], "input images, picture 0 ends after the 6 bytes of its tensor; "),
        (memoryview(b"\1\0"), "input images, picture 0 ends after the 2 bytes of its tensor; "),
        (binary(b"a", b"b", b"c"), "5 bytes follow the last picture of input images"),
    ],
)
def test_what_is_no_file_is_named(data, sentence):
    """By its place."""
    with pytest.raises(BadInputError) as caught:
        read(data)

    assert str(caught.value).startswith(sentence)


def test_a_picture_is_named_by_its_place():
    """As whatever is wrong with its content says it."""
    assert "input images, picture 7" == name_of(7)
