"""What fits into frames, and the sentences for what does not."""

from __future__ import annotations

import pytest

from app.ipc.frame_limits import STATUS_BYTES, FrameBounds

MIB = 2**20
FEW = ("ring", "line")
USUAL = FrameBounds(8 * MIB, 1024)


@pytest.mark.parametrize("images", [1, 100_000])
@pytest.mark.parametrize("body", [1024, 8 * MIB, 40 * MIB, 2**30])
def test_a_frame_holds_the_largest_of_all_that_is_let_in(body, images):
    """Whatever is small or large in the settings."""
    bounds = FrameBounds(body, images)

    assert bounds.pixels >= body
    assert max(bounds.pixels, bounds.answer, STATUS_BYTES) < bounds.frame
    assert bounds.frame < 2**32  # as the header counts


@pytest.mark.parametrize(("images", "classes"), [(1024, 5000), (1, 8 * MIB), (100_000, 80)])
def test_an_answer_that_fits_is_let_in(images, classes):
    """To the last byte."""
    assert USUAL.answer_misfit(images, classes) is None


def test_an_answer_that_does_not_fit_says_what_does():
    """Images, classes, the limit, and what to do."""
    assert (
        "the probabilities of 4096 images in 5000 classes are 81920000 bytes; an answer holds "
        "at most 33554432: send at most 1677 images in one request"
    ) == USUAL.answer_misfit(4096, 5000)


@pytest.mark.parametrize("shape", [(28, 28, 1), (224, 224, 3), (2000, 1500, 3)])
def test_a_version_of_a_usual_size_is_served(shape):
    """Even where bodies are small: its pictures may be compressed."""
    found = FrameBounds(262_144, 1024).version_misfit(shape, FEW)

    assert found is None


@pytest.mark.parametrize(
    ("shape", "classes", "told", "sentence"),
    [
        (
            (8000, 6000, 3),
            FEW,
            0,
            (
                "one image of 8000 x 6000 x 3 is 144000000 bytes; a request here holds at most "
                "33554432: set GLYPH_MAX_BODY_BYTES to 144000000 or more"
            ),
        ),
        (
            (28, 28, 1),
            ("",) * (8 * MIB + 1),
            0,
            "it has 8388609 classes; an answer holds at most 8388608",
        ),
        (
            (28, 28, 1),
            FEW,
            16 * MIB,
            (
                "the names of its 2 classes are 16 bytes; web workers are told 16777216 bytes of "
                "versions already, and at most 16777216: unload other versions or shorten the names"
            ),
        ),
    ],
    ids=["image", "classes", "status"],
)
def test_a_version_that_cannot_be_served_is_told_why(shape, classes, told, sentence):
    """The sentence names what was found, the limit and what to do."""
    found = USUAL.version_misfit(shape, classes, told)

    assert sentence == found


def test_larger_bodies_make_room_for_larger_images():
    """As the sentence says."""
    found = FrameBounds(144_000_000, 1024).version_misfit((8000, 6000, 3), FEW)

    assert found is None
