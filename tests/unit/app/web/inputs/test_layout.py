"""The layouts of an image, and the names of its pixels."""

from __future__ import annotations

import pytest

from app.web.inputs.layout import layouts, pixel_name, shape_text


def test_an_image_of_one_channel_has_three_layouts():
    assert ((2, 3), (6,), (2, 3, 1)) == layouts((2, 3, 1))


def test_an_image_of_colours_is_flat_or_has_the_shape_of_the_model():
    assert ((18,), (2, 3, 3)) == layouts((2, 3, 3))


@pytest.mark.parametrize(
    ("indices", "name"),
    [
        ((4,), "image 1, pixel 4"),
        ((0, 2), "image 1, row 0, column 2"),
        ((0, 2, 1), "image 1, row 0, column 2, channel 1"),
    ],
)
def test_a_pixel_is_named_in_every_dimension(indices, name):
    assert name == pixel_name("image 1", indices)


def test_a_shape_is_written_with_crosses():
    assert "28 x 28 x 1" == shape_text((28, 28, 1))
