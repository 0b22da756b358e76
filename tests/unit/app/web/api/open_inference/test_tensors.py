"""Input tensors of the Open Inference Protocol: what is taken for pixels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from app.web.api.open_inference.tensors import Tensor, read_pixels
from app.web.http.errors import BadInputError, TooLargeError

SHAPE = (2, 3, 1)
PIXELS = [0, 255, 7, 1, 2, 3, 9, 8, 127, 6, 5, 4]
WHOLE = "pixels are whole numbers from 0 (background) to 255 (ink)"
NARROW = {"INT8": np.int8}
DATATYPES = {
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def read(data, dimensions=(2, 2, 3, 1), datatype="UINT8", shape=SHAPE):
    """Read a tensor where at most four images are taken."""
    return read_pixels(Tensor("images", datatype, dimensions, data), shape, 4)


def binary(values, datatype):
    """Return the bytes that a client sends."""
    return memoryview(np.array(values, np.dtype(datatype).newbyteorder("<")).tobytes())


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_number_type_gives_the_same_pixels(datatype):
    """Whole numbers are pixels in every type that holds them, as bytes and in JSON."""
    of_bytes = read(binary(PIXELS, DATATYPES[datatype]), datatype=datatype)
    of_json = read(np.array(PIXELS, DATATYPES[datatype]).tolist(), datatype=datatype)

    assert (2, bytes(PIXELS)) == (of_bytes[0], bytes(of_bytes[1]))
    assert (2, bytes(PIXELS)) == of_json


def test_bytes_that_are_pixels_already_are_not_copied():
    """UINT8 goes on as the view that it came as."""
    data = memoryview(bytes(PIXELS))

    assert data is read(data)[1]


def test_pixels_up_to_127_fit_into_int8():
    """The type is as good as another as far as it goes."""
    pixels = [0, 127, 1, 2, 3, 4]

    assert (1, bytes(pixels)) == read(binary(pixels, np.int8), (1, 6), "INT8")
    assert (1, bytes(pixels)) == read(pixels, (1, 6), "INT8")


@pytest.mark.parametrize(
    "dimensions", [(2, 2, 3, 1), (2, 2, 3), (2, 6)], ids=["channels", "rows", "flat"]
)
def test_every_layout_is_the_same_image(dimensions):
    """The shape may leave out the one channel, or rows and columns; data is flat or nested."""
    nested = np.array(PIXELS).reshape(dimensions).tolist()

    assert (2, bytes(PIXELS)) == read(PIXELS, dimensions)
    assert (2, bytes(PIXELS)) == read(nested, dimensions)


@pytest.mark.parametrize("dimensions", [(40, 6), (40, 2, 3)], ids=["flat", "nested"])
def test_many_numbers_are_read_in_slices(dimensions):
    """What is wrong is found in any slice."""
    numbers = np.arange(240, dtype=np.uint8).reshape(dimensions)
    data = numbers.ravel().tolist() if len(dimensions) == 2 else numbers.tolist()
    tensor = Tensor("images", "UINT8", dimensions, data)

    assert (40, numbers.tobytes()) == read_pixels(tensor, SHAPE, 64)

    data[-1] = 300 if len(dimensions) == 2 else [[1, 2, 3], [4, 5, 300]]
    place = "39, 5" if len(dimensions) == 2 else "39, 1, 2"
    with pytest.raises(BadInputError, match=rf"the value at \[{place}\]: 300 is "):
        read_pixels(tensor, SHAPE, 64)


def test_a_raw_request_is_one_image():
    """Without a shape, the bytes are one image of whatever size the model takes."""
    data = memoryview(bytes(PIXELS[:6]))

    assert (1, data) == read(data, None)


def test_two_raw_images_are_refused():
    """A batch says that it is one: 3136 bytes may be one image of another type."""
    with pytest.raises(BadInputError) as caught:
        read(memoryview(bytes(PIXELS)), None)

    expected = "input images has 12 bytes; 6 are expected for UINT8 of shape [1, 2, 3, 1]"
    assert expected == str(caught.value)


def test_colour_needs_its_channels():
    """Rows and columns alone do not tell the channels of a model that takes three."""
    with pytest.raises(BadInputError) as caught:
        read(PIXELS, (2, 1, 2), shape=(1, 2, 3))

    expected = "input images has the shape [2, 1, 2]; [n, 6] or [n, 1, 2, 3] is expected"
    assert f"{expected}, n at least 1" == str(caught.value)


@pytest.mark.parametrize(
    "dimensions", [(), (2,), (2, 3, 2, 1), (0, 6), (-1, 6), (2, 3, 1), (1, 1, 6)], ids=str
)
def test_another_shape_is_refused(dimensions):
    """The sentence lists the shapes that there are."""
    with pytest.raises(BadInputError) as caught:
        read(PIXELS, dimensions)

    found = f"input images has the shape {list(dimensions)}"
    expected = "[n, 2, 3] or [n, 6] or [n, 2, 3, 1] is expected, n at least 1"
    assert f"{found}; {expected}" == str(caught.value)


def test_too_many_images_are_refused():
    """Whatever is sent, it is not looked at."""
    with pytest.raises(TooLargeError) as caught:
        read([], (5, 6))

    assert "5 images in one request; at most 4 are taken" == str(caught.value)
    assert {"found": 5, "limit": 4} == caught.value.details


@pytest.mark.parametrize("datatype", ["BOOL", "BF16", "uint8", ""])
def test_a_datatype_without_pixels_is_refused(datatype):
    """The sentence lists those that hold some."""
    with pytest.raises(BadInputError) as caught:
        read(PIXELS, datatype=datatype)

    expected = f"input images has the datatype {datatype}, which holds no pixels; UINT8 is expected"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (PIXELS[:-1], "input images has 11 numbers; 12 are expected for shape [2, 2, 3, 1]"),
        ([], "input images has 0 numbers; 12 are expected for shape [2, 2, 3, 1]"),
        ([PIXELS], "a list of 1 where a list of 2 is expected"),
        ([[[1]] * 3, [[1]] * 2], "a list of 3 where a list of 2 is expected"),
        ([[[[1]] * 3] * 2, [[[1]] * 3] * 3], "a list of 3 where a list of 2 is expected"),
        ([[[[1]] * 3] * 2, 5], "the number 5 where a list of 2 is expected"),
        ([[[[1]] * 3] * 2, [[[1]] * 3, [None] * 3]], "null where a list of 1 is expected"),
    ],
)
def test_data_that_does_not_fill_its_shape_is_refused(data, sentence):
    """Flat data has the right length; nested data has it at every level."""
    with pytest.raises(BadInputError) as caught:
        read(data)

    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (256, f": 256 is out of range; {WHOLE}"),
        (-1, f": -1 is out of range; {WHOLE}"),
        (0.5, f": 0.5 is a fraction; {WHOLE} and are not scaled to 0..1"),
        (7.25, f": 7.25 is a fraction; {WHOLE}"),
        (1e300, f": 1e+300 is out of range; {WHOLE}"),
        ("7", f" is the string '7'; {WHOLE}"),
        (True, f" is the boolean true; {WHOLE}"),
        (None, f" is null; {WHOLE}"),
        ([7], f" is a list of 1; {WHOLE}"),
        ({}, f" is an object; {WHOLE}"),
    ],
)
def test_what_is_no_pixel_is_named_with_its_place(value, sentence):
    """In JSON, whatever the others are."""
    with pytest.raises(BadInputError) as caught:
        read([*PIXELS[:10], value, 1])

    assert f"input images, the value at [1, 1, 1, 0]{sentence}" == str(caught.value)


@pytest.mark.parametrize(
    ("value", "datatype", "sentence"),
    [
        (256, "UINT16", f": 256 is out of range; {WHOLE}"),
        (-1, "INT8", f": -1 is out of range; {WHOLE}"),
        (2**63, "UINT64", f": 9223372036854775808 is out of range; {WHOLE}"),
        (0.5, "FP16", f": 0.5 is a fraction; {WHOLE} and are not scaled to 0..1"),
        (np.nan, "FP32", f": nan is out of range; {WHOLE}"),
        (-np.inf, "FP64", f": -inf is out of range; {WHOLE}"),
    ],
)
def test_bytes_that_are_no_pixel_are_named_with_their_place(value, datatype, sentence):
    """As in JSON."""
    values = [1, 2, 3, 4, 5, value]

    with pytest.raises(BadInputError) as caught:
        read(binary(values, (DATATYPES | NARROW)[datatype]), (1, 2, 3), datatype)

    assert f"input images, the value at [0, 1, 2]{sentence}" == str(caught.value)


def test_a_number_that_its_type_does_not_hold_is_refused():
    """200 is a pixel, but no INT8."""
    with pytest.raises(BadInputError) as caught:
        read([0, 0, 0, 0, 0, 200], (1, 6), "INT8")

    expected = "input images, the value at [0, 5]: 200; the datatype holds no more than 127"
    assert expected == str(caught.value)


def test_bytes_that_do_not_fill_their_shape_are_refused():
    """The sentence says how many are expected of this type."""
    with pytest.raises(BadInputError) as caught:
        read(memoryview(bytes(PIXELS)), datatype="FP32")

    expected = "input images has 12 bytes; 48 are expected for FP32 of shape [2, 2, 3, 1]"
    assert expected == str(caught.value)
