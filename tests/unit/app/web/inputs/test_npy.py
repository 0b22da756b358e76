"""NumPy's format: every whole number is read, and nothing that a header says is believed."""

from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.http.errors import BadInputError, ServiceError, TooLargeError
from app.web.inputs.images import Images
from app.web.inputs.npy import decode_npy

SHAPE = (2, 3, 1)
COLOUR = (2, 3, 3)
IMAGES = np.array([[[0, 1, 2], [3, 4, 255]], [[6, 7, 8], [9, 10, 11]]], np.uint8)
TYPES = ["u1", "i1", "<u2", ">u2", "<i4", ">i8", "<f2", "<f4", ">f8"]


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **options)
    return file.getvalue()


def headed(header: bytes, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """Write a file with any header."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def described(descr: str = "'|u1'", shape: str = "(2, 3)", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    return text.encode("latin-1")


def refusal(body: bytes, shape=SHAPE, error: type[ServiceError] = BadInputError) -> str:
    with pytest.raises(error) as caught:
        decode_npy(body, shape, 4)
    assert error is caught.type
    return str(caught.value)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_every_type_of_whole_numbers_is_read(kind, version):
    """Of any size and byte order."""
    images = IMAGES if kind != "i1" else np.minimum(IMAGES, 127)

    assert Images(2, images.tobytes()) == decode_npy(
        npy(images.astype(kind), version=version), SHAPE, 4
    )


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("array", "count"),
    [
        (IMAGES[0], 1),
        (IMAGES[0].ravel(), 1),
        (IMAGES[0][..., np.newaxis], 1),
        (IMAGES, 2),
        (IMAGES.reshape(2, 6), 2),
        (IMAGES[..., np.newaxis], 2),
    ],
    ids=lambda value: str(getattr(value, "shape", value)),
)
def test_every_layout_is_read(array, count, order):
    """One image or several, in rows or flat, with or without channels, in either order."""
    body = npy(np.asarray(array, order=order))

    assert Images(count, IMAGES[:count].tobytes()) == decode_npy(body, SHAPE, 4)


@pytest.mark.parametrize("layout", [(2, 3, 3), (1, 2, 3, 3), (1, 18), (18,)])
def test_colours_are_read(layout):
    """Channels are the last axis."""
    pixels = np.arange(18, dtype=np.uint8)

    assert Images(1, pixels.tobytes()) == decode_npy(npy(pixels.reshape(layout)), COLOUR, 4)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((3, 2)), "(3, 2); (2, 3), (n, 2, 3) or (n, 6) is expected"),
        (np.zeros((2, 3, 3)), "(2, 3, 3); (2, 3), (n, 2, 3) or (n, 6) is expected"),
        (np.zeros(()), "(); (2, 3), (n, 2, 3) or (n, 6) is expected"),
        (np.zeros((1, 1, 2, 3, 1)), "(1, 1, 2, 3, 1); (2, 3), (n, 2, 3) or (n, 6) is expected"),
        (np.zeros((0, 2, 3)), "(0, 2, 3); give at least one image"),
    ],
)
def test_another_shape_is_refused(array, expected):
    """What was found and what is expected."""
    assert f"the array's shape is {expected}" == refusal(npy(array))


def test_another_shape_than_a_colour_models_is_refused():
    """Its channels are named."""
    expected = "(2, 3, 3), (n, 2, 3, 3) or (n, 18) is expected"
    assert f"the array's shape is (2, 3); {expected}" == refusal(npy(np.zeros((2, 3))), COLOUR)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (256, "256 is out of range; pixels are whole numbers"),
        (-1, "-1 is out of range"),
        (0.5, "0.5 is a fraction; pixels are whole numbers from 0 (background) to 255 (ink) and "),
        (7.25, "7.25 is a fraction"),
        (np.nan, "nan is out of range"),
        (np.inf, "inf is "),
        (1e300, "1e+300 is out of range"),
    ],
)
def test_what_is_no_pixel_is_refused(value, sentence):
    """With its place."""
    array = IMAGES.astype(np.array(value).dtype)
    array[1, 0, 2] = value

    assert f"image 1, row 0, column 2: {sentence}" in refusal(npy(array))


def test_a_channel_is_named():
    """Where there are several."""
    array = np.zeros((1, *COLOUR))
    array[0, 1, 2, 1] = 300

    assert "image 0, row 1, column 2, channel 1: 300 is out of" in refusal(npy(array), COLOUR)


def test_too_many_images_are_refused():
    """Before anything is done with them."""
    sentence = refusal(npy(np.zeros((5, 2, 3), np.uint8)), error=TooLargeError)

    assert "5 images in one request; at most 4 are taken" == sentence


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.bool_, "bool"),
        (np.complex64, "complex64"),
        ("S4", "bytes32"),
        ("U4", "str128"),
        ("M8[s]", "datetime64[s]"),
        ("V3", "void24"),
        ([("a", "u1")], "named fields"),
    ],
)
def test_other_types_are_refused(dtype, name):
    """They are no numbers, or no pixels."""
    body = npy(np.zeros((2, 3), dtype))

    assert f"the array is of {name}; numbers such as uint8 are expected" == refusal(body)


def test_objects_are_never_unpickled():
    """Whatever the pickle would do."""

    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    body = headed(described("'|O'", "(1,)"), pickle.dumps(Trap()))

    assert "the array is of Python objects, which are never unpickled" == refusal(body)


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
def test_a_header_that_python_2_wrote_is_read():
    """Its lengths may be long integers."""
    body = headed(described("'|u1'", "(2L, 2L, 3L)"), IMAGES.tobytes())

    assert (2, IMAGES.tobytes()) == decode_npy(body, SHAPE, 4)[:2]


@pytest.mark.parametrize("shape", ["(2, 4)", "(2, 2)", "(10**9, 10**9)", "(9999999999, 2, 3)"])
def test_a_shape_that_lies_is_refused(shape):
    """What is said is compared with what is there, and nothing is allocated for it."""
    sentence = refusal(headed(described(shape=shape), bytes(6)))

    assert "6 are there" in sentence or "cannot be read" in sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "it starts with b''; b'\\x93NUMPY' is expected"),
        (b"PK\3\4 a zip", "it starts with b'PK\\x03\\x04 a'"),
        (b"\x93NUMPY", "the body is no .npy file"),
        (headed(described(), bytes(6), (3, 0)), "version 3.0; 1.0 or 2.0 is expected"),
        (headed(described(), bytes(6), (9, 9)), "version 9.9; 1.0 or 2.0 is expected"),
        (headed(b""), "cannot be read"),
        (headed(b"[" * 1000), "cannot be read"),
        (headed(b"-" * 1000 + b"1"), "cannot be read"),
        (headed(b"{'descr': '|u1'}"), "cannot be read"),
        (
            headed(described() + b" " * 1024, bytes(6)),
            "cannot be read; descr, fortran_order and shape in at most 1024 bytes",
        ),
        (headed(described("'nonsense'"), bytes(6)), "cannot be read"),
        (headed(described("'|u1'", "[2, 3]"), bytes(6)), "cannot be read"),
        (headed(described("'|u1'", "(-1, 6)"), bytes(6)), "lengths are not negative"),
        (headed(described("'|u1'", "(-2, -3)"), bytes(6)), "lengths are not negative"),
        (headed(described("'|u1'", f"(0, {2**80})")), "no array has so many axes, or is so long"),
        (headed(described("'|u1'", f"({'1, ' * 99})"), bytes(1)), "no array has so many axes"),
        (headed(described(), bytes(7)), "(2, 3) of uint8, which is 6 bytes; 7 are there"),
        (headed(described(), bytes(5)), "(2, 3) of uint8, which is 6 bytes; 5 are there"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_file_of_an_array_is_refused(body, sentence):
    """With what is wrong."""
    assert sentence in refusal(body)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300)
@given(
    at=st.integers(0, 100),
    found=st.binary(max_size=6)
    | st.text("()[]{}',:0123456789-uifOTrue ", max_size=6).map(str.encode),
    dropped=st.integers(0, 6),
)
def test_damage_is_refused_or_harmless(at, found, dropped):
    """Whatever becomes of the header, the answer is images or a sentence."""
    whole = npy(IMAGES)
    body = whole[:at] + found + whole[at + dropped :]
    try:
        count, pixels, _ = decode_npy(body, SHAPE, 4)
    except (BadInputError, TooLargeError):
        return
    assert count * 6 == len(pixels)
