"""A preparation is applied in the same way whoever reads the picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imaging.errors import MalformedPictureError
from imaging.preparation import EXACT, Preparation, usual, without_exception
from imaging.reading import prepare, read_picture

pytestmark = pytest.mark.unit

SHAPE = (4, 4, 1)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def grey(*values: int) -> np.ndarray:
    """Make a picture of 4 x 4 out of 16 grey values."""
    picture = np.full((4, 4, 4), 255, np.uint8)
    picture[..., :3] = np.reshape(values, (4, 4, 1))
    return picture


def pixels(picture, preparation, shape=SHAPE):
    return list(prepare(picture, shape, preparation).pixels)


def test_a_negative_is_taken():
    values = [*range(0, 160, 10)]
    assert [255 - v for v in values] == pixels(grey(*values), Preparation("fit", invert=True))
    assert values == pixels(grey(*values), Preparation("fit"))
    assert [255 - v for v in values] == pixels(grey(*values), Preparation("exact", invert=True))


def test_opacity_is_no_part_of_the_negative():
    picture = np.full((4, 4, 4), 40, np.uint8)
    assert [215, 215, 215, 40] * 16 == pixels(picture, Preparation("fit", invert=True), (4, 4, 4))


@pytest.mark.parametrize(("background", "expected"), [((255, 255, 255), 255), (None, 0)])
def test_the_background_shows_through(background, expected):
    """Ink on a clear canvas would be black on black otherwise."""
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[1, 1, 3] = 255
    fitted = pixels(picture, Preparation("fit", background=background))
    assert [expected] * 5 + [0] + [expected] * 10 == fitted


def test_beside_a_narrow_picture_is_the_background():
    """And not where the aspect is given up."""
    picture = np.full((8, 4, 4), 255, np.uint8)
    aside = Preparation("fit", background=(9, 9, 9))
    stretched = Preparation("fit", background=(9, 9, 9), keep_aspect=False)
    assert [9, 255, 255, 9] * 4 == pixels(picture, aside)
    assert [255] * 16 == pixels(picture, stretched)


def test_what_has_the_size_is_kept_where_the_model_was_trained_on_pixels():
    values = [*range(0, 160, 10)]
    assert values == pixels(grey(*values), usual(1))
    assert values != pixels(grey(*values), without_exception(usual(1), 1))
    assert Preparation("fit") == without_exception(EXACT, 3)


def test_a_digit_has_one_channel():
    with pytest.raises(MalformedPictureError, match="digit makes pictures of 1 channel; the model"):
        prepare(grey(*[0] * 16), (4, 4, 3), Preparation("digit"))


@pytest.mark.parametrize(
    ("picture", "notes"),
    [
        (grey(*[255] * 5, 0, 0, *[255] * 9), ("looks inverted",)),
        (grey(*[0] * 5, 255, 255, *[0] * 9), ()),
        (grey(*[0] * 16), ("blank",)),
        (np.zeros((4, 4, 4), np.uint8), ("blank", "nothing opaque")),
    ],
    ids=["dark on light", "light on dark", "black", "clear"],
)
def test_what_is_taken_pixel_for_pixel_is_doubted(picture, notes):
    """It stays as it is; a note says that it is not what such a model was trained on."""
    assert notes == prepare(picture, SHAPE, usual(1)).notes
    assert () == prepare(picture, SHAPE, EXACT).notes


@pytest.mark.parametrize("scale", [1, 257])
def test_sixteen_bits_are_read_by_their_range(scale):
    """Some programs keep 8 bits in 16: all of it would be black."""
    values = np.arange(0, 160, 10, dtype=np.uint16).reshape(4, 4)
    file = png(Image.fromarray(values * scale))
    assert values.ravel().tolist() == list(read_picture(file, SHAPE, EXACT).pixels)
