"""Pictures of any size, colour and light become what a model was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imaging import reading
from imaging.errors import MalformedPictureError, PictureSizeError
from imaging.preparation import EXACT, usual, without_exception
from imaging.prepared import NOTES

pytestmark = pytest.mark.unit

SHAPE = (28, 28, 1)
PAPER, INK = 235, 20


def prepare(picture, shape):
    """Prepare a picture, though it be of the model's own size."""
    return reading.prepare(picture, shape, without_exception(usual(shape[2]), shape[2]))


def as_is(picture, shape):
    """Take a picture pixel for pixel."""
    return reading.prepare(picture, shape, EXACT)


def sheet(height=200, width=160, colour=PAPER):
    """Make an empty sheet."""
    picture = np.full((height, width, 4), 255, np.uint8)
    picture[..., :3] = colour
    return picture


def stroke(picture, top=50, left=60, height=100, width=20, *, colour=INK):
    """Draw an upright stroke."""
    picture[top : top + height, left : left + width, :3] = colour
    return picture


def seen(picture, shape=SHAPE):
    return np.frombuffer(prepare(picture, shape).pixels, np.uint8).reshape(shape[:2])


def notes(picture, shape=SHAPE):
    return prepare(picture, shape).notes


UPRIGHT = np.zeros((28, 28), np.uint8)
UPRIGHT[4:24, 12:16] = 255


def assert_upright(pixels, within):
    """Expect the same, but that the centre of an even number of pixels is on either side."""
    rows, columns = np.nonzero(pixels > within)
    moved = np.roll(pixels, (4 - rows.min(), 12 - columns.min()), (0, 1))
    assert rows.min() in (4, 5)
    assert columns.min() in (12, 13)
    np.testing.assert_allclose(UPRIGHT, moved, atol=within)


def test_ink_fills_twenty_pixels_around_its_centre_of_mass():
    """A stroke five times as high as wide, wherever it is, ends up 20 x 4 in the middle."""
    np.testing.assert_array_equal(UPRIGHT, seen(stroke(sheet())))
    np.testing.assert_array_equal(UPRIGHT, seen(stroke(sheet(), top=90, left=5)))


def test_mass_and_not_the_box_is_centred():
    """Of an L, the foot is the lesser part."""
    picture = stroke(stroke(sheet(), 50, 40, 100, 20), 130, 60, 20, 60)
    rows, columns = np.nonzero(seen(picture))
    assert 14 == pytest.approx(np.average(rows), abs=0.5)
    assert 14 == pytest.approx(np.average(columns), abs=0.5)
    assert rows.max() < 27


@pytest.mark.parametrize(
    ("paper", "ink", "expected"),
    [
        (235, 20, ("inverted",)),
        (20, 235, ()),
        ((120, 160, 90), (200, 90, 40), ("inverted",)),
        ((200, 30, 30), (30, 60, 30), ("inverted",)),
        ((90, 60, 20), (190, 200, 255), ()),
    ],
)
def test_polarity_and_colour_do_not_matter(paper, ink, expected):
    picture = stroke(sheet(colour=paper), colour=ink)
    np.testing.assert_array_equal(UPRIGHT, seen(picture))
    assert expected == notes(picture)


def test_uneven_light_is_evened_out():
    picture = stroke(sheet(), colour=40)
    light = np.linspace(1, 0.45, 160)[np.newaxis, :, np.newaxis]
    picture[..., :3] = picture[..., :3] * light
    assert_upright(seen(picture), within=30)


def test_noise_is_no_ink():
    rng = np.random.default_rng(2)
    picture = stroke(sheet(colour=200))
    noisy = picture[..., :3] + rng.normal(0, 14, (200, 160, 3))
    picture[..., :3] = np.clip(noisy, 0, 255)
    assert_upright(seen(picture), within=60)


def test_transparent_is_paper():
    for ink in (0, 255):
        picture = np.zeros((200, 160, 4), np.uint8)
        stroke(picture, colour=ink)[50:150, 60:80, 3] = 255
        np.testing.assert_array_equal(UPRIGHT, seen(picture))
        assert "transparent" in notes(picture)


def test_a_cut_out_gets_the_colour_of_the_paper():
    """Neither round corners of a screenshot nor a hole in it are ink."""
    picture = stroke(sheet())
    picture[:12, :12] = picture[-12:, -12:] = picture[60:100, 100:140] = 0
    np.testing.assert_array_equal(UPRIGHT, seen(picture))


def test_a_small_drawing_on_a_large_sheet_is_looked_at_from_near_by():
    picture = stroke(sheet(1500, 1900), 700, 1200, 100, 20)
    assert_upright(seen(picture), within=20)


def test_specks_are_left_out():
    picture = stroke(sheet())
    picture[20:24, 30:34, :3] = INK
    picture[180, 140, :3] = INK
    np.testing.assert_array_equal(UPRIGHT, seen(picture))
    assert ("inverted", "specks") == notes(picture)


def test_a_shadow_along_the_edge_is_left_out():
    picture = stroke(sheet())
    picture[:, :9, :3] = 60
    np.testing.assert_array_equal(UPRIGHT, seen(picture))


@pytest.mark.parametrize("top", [15, 70])
def test_a_shadow_over_half_the_sheet_is_no_ink(top):
    """The stroke is beside it, or across its edge."""
    picture = stroke(sheet(), top=top)
    picture[120:, :, :3] = picture[120:, :, :3] * 0.6
    assert_upright(seen(picture), within=110)


def test_a_shadow_is_no_ink_where_the_stroke_is_light():
    picture = stroke(sheet(colour=90), colour=250)
    picture[:, 100:, :3] = picture[:, 100:, :3] * 0.5
    assert_upright(seen(picture), within=30)


def test_faint_lines_of_the_paper_are_left_out():
    picture = sheet()
    picture[10::20, :, :3] = picture[:, 10::20, :3] = 170
    assert_upright(seen(stroke(picture)), within=30)


def test_strokes_of_a_thin_pen_are_made_broader():
    """A hair of 1 in 100 would be a fifth of a pixel wide."""
    picture = stroke(sheet(), width=1)
    assert [2.0] * 20 == pytest.approx((seen(picture) / 255).sum(axis=1)[4:24], abs=0.6)


def test_a_picture_may_be_more_ink_than_paper():
    picture = stroke(sheet(104, 24), top=2, left=2)
    np.testing.assert_array_equal(UPRIGHT, seen(picture))


def test_a_blob_is_ink_through_and_through():
    """Wider than any stroke, but not from outside as a shadow is."""
    picture = sheet(28, 28, 0)
    picture[4:24, 5:24, :3] = 255
    assert (4, 23) == tuple(np.flatnonzero(seen(picture).any(axis=1))[[0, -1]])
    assert (seen(picture)[4:24, 5:24] == 255).all()


def test_what_mnist_is_made_of_stays_as_it_is():
    """Faint edges too, if it is where its mass wants it."""
    picture = sheet(28, 28, 0)
    picture[4:24, 12:17, :3] = 255
    picture[4:24, 11, :3] = picture[4:24, 17, :3] = 40
    picture[22:24, 10:19, :3] = 255
    assert picture[..., 0].tolist() == seen(picture).tolist()


def test_a_detached_stroke_is_part_of_the_drawing():
    picture = stroke(stroke(sheet(), 50, 60, 80, 20), 140, 60, 10, 20)
    assert 0 < seen(picture)[23, 13]
    assert "several shapes" not in notes(picture)


def test_what_is_doubtful_is_said():
    two = stroke(stroke(sheet(), left=30), left=100)
    assert ("inverted", "several shapes") == notes(two)
    assert ("inverted", "cropped") == notes(stroke(sheet(), top=0))
    assert ("inverted", "low contrast") == notes(stroke(sheet(), colour=PAPER - 15))


@pytest.mark.parametrize("colour", [0, 127, 255, (200, 30, 90)])
def test_an_empty_sheet_is_blank(colour):
    assert (bytes(784), ("blank",)) == prepare(sheet(colour=colour), SHAPE)


def test_noise_alone_is_blank():
    rng = np.random.default_rng(3)
    picture = sheet()
    picture[..., :3] = np.clip(rng.normal(180, 20, (200, 160, 3)), 0, 255)
    assert "blank" in notes(picture)


def test_nothing_but_transparency_is_blank():
    assert ("transparent", "blank") == notes(np.zeros((30, 40, 4), np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 1000)])
def test_no_size_is_too_odd(size):
    picture = np.random.default_rng(4).integers(0, 256, (*size, 4), np.uint8)
    assert 784 == len(prepare(picture, SHAPE).pixels)


@pytest.mark.parametrize("shape", [(56, 56, 1), (28, 56, 1), (4, 4, 1), (1, 1, 1), (1, 3, 1)])
def test_other_sizes_are_treated_in_proportion(shape):
    pixels = seen(stroke(sheet()), shape)
    rows = np.flatnonzero(pixels.any(axis=1))
    assert max(1, round(shape[0] * 20 / 28)) == len(rows)
    assert 255 == pixels.max()


def test_models_of_colour_get_the_whole_picture():
    """Its aspect is kept; around it is the colour of its border."""
    picture = stroke(sheet(60, 30, (10, 200, 30)), 20, 10, 20, 10, colour=(250, 0, 0))
    prepared = prepare(picture, (12, 12, 3))
    pixels = np.frombuffer(prepared.pixels, np.uint8).reshape(12, 12, 3)
    assert ("resized",) == prepared.notes
    assert [10, 200, 30] == pixels[0, 0].tolist() == pixels[11, 11].tolist()
    np.testing.assert_allclose([250, 0, 0], pixels[6, 6], atol=40)


def test_channels_that_no_picture_has_are_refused():
    for make in (prepare, as_is):
        with pytest.raises(MalformedPictureError, match="the model takes 5"):
            make(sheet(8, 8), (8, 8, 5))


def test_a_picture_that_fits_is_taken_pixel_for_pixel():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = np.asarray(Image.fromarray(grey).convert("RGBA"))
    assert (grey.tobytes(), ()) == as_is(picture, (16, 16, 1))
    assert (picture[..., :3].tobytes(), ()) == as_is(picture, (16, 16, 3))
    assert (picture.tobytes(), ()) == as_is(picture, (16, 16, 4))
    with pytest.raises(PictureSizeError, match="is 16 x 16 pixels large; 15 x 16 are expected"):
        reading.read_picture(picture, (16, 15, 1), EXACT)


def test_a_transparent_pixel_has_no_ink():
    picture = np.full((1, 2, 4), 255, np.uint8)
    picture[0, 1, 3] = 0
    assert bytes([255, 0]) == as_is(picture, (1, 2, 1)).pixels


def test_notes_are_of_a_closed_set():
    assert {"inverted", "blank", "several shapes", "low contrast"} <= set(NOTES)
