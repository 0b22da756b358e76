"""The preparation is chosen by looking at the pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imaging.decoder import decode_picture
from imaging.preparation import Preparation
from tests.picture_folders import KINDS
from training.data.preparation_choice import choose_preparation
from training.data.sources import load
from training.errors import DataError

pytestmark = pytest.mark.unit

N = 40
WHITE = (255, 255, 255)
COLOURED = {"coloured", "photographs"}


@pytest.fixture(scope="module")
def digits():
    return load("digits", None).train


def pictures(digits, kind, tmp_path):
    """Write some pictures of a kind, and read them."""
    rng = np.random.default_rng(0)
    read = []
    for image, label in zip(digits.images[:N, ..., 0], digits.labels[:N], strict=True):
        picture, end, options = KINDS[kind](image, rng, int(label))
        path = tmp_path / f"picture.{end}"
        picture.save(path, **options)
        read.append(decode_picture(path.read_bytes()))
    return read


@pytest.mark.parametrize("kind", sorted({*KINDS} - COLOURED))
def test_drawings_on_paper_become_digits(digits, kind, tmp_path):
    choice = choose_preparation(pictures(digits, kind, tmp_path))
    assert (Preparation("digit"), 1) == choice[:2]


@pytest.mark.parametrize("kind", sorted(COLOURED))
def test_coloured_objects_stay_coloured(digits, kind, tmp_path):
    choice = choose_preparation(pictures(digits, kind, tmp_path))
    assert (Preparation("fit"), 3, "40 of 40 pictures seen are coloured") == choice


@pytest.mark.parametrize(("paper", "invert"), [(255, True), (0, False)])
def test_grey_objects_are_light_on_dark(paper, invert):
    """What fills the picture is no stroke; 0 is the background of the networks."""
    objects = []
    for number in range(10):
        picture = np.full((40, 40, 4), 255, np.uint8)
        picture[..., :3] = paper
        picture[4:36, 4:36, :3] = 100 + 5 * number
        objects.append(picture)
    assert (Preparation("fit", invert=invert), 1) == choose_preparation(objects)[:2]


def test_clear_canvases_get_what_contrasts():
    """Dark shapes on nothing would be black on black."""
    shapes = []
    for _ in range(10):
        picture = np.zeros((40, 40, 4), np.uint8)
        picture[2:38, 2:38, 3] = 255
        shapes.append(picture)
    assert WHITE == choose_preparation(shapes).preparation.background


def test_a_kind_that_was_asked_for_is_taken(make_folders):
    """As are the sizes of exact pictures."""
    folders = make_folders("a", "b", each=5)
    for kind in ("digit", "fit", "exact"):
        data = load(str(folders.path), None, kind)
        assert (kind, "it was asked for") == (data.preparation.kind, data.reason)


def test_fit_contrasts_though_digits_were_chosen_otherwise(digits, tmp_path):
    """Ink on a clear canvas would be black on black, and black on white would not be inverted."""
    clear = choose_preparation(pictures(digits, "clear-canvas", tmp_path), "fit")
    paper = choose_preparation(pictures(digits, "black-on-white", tmp_path), "fit")
    assert (WHITE, 1) == (clear.preparation.background, clear.channels)
    assert (Preparation("fit", invert=True), 1, "it was asked for") == paper


def test_exact_pictures_have_one_size(folders):
    Image.new("L", (30, 20)).save(folders.path / "circle" / "0.png")
    with pytest.raises(DataError, match=r"the picture is .* pixels large; .* as the first one has"):
        load(str(folders.path), None, "exact")


def test_pixels_are_not_prepared():
    """They have no paper to look for."""
    with pytest.raises(DataError, match="digits: holds pixels, not pictures; --preparation is of"):
        load("digits", None, "fit")
