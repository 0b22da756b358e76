"""The affine warp of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from training.augment import warp
from training.recipes import Augment


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 28, 20, 1), np.uint8)


def dot(row: int, column: int, n: int = 200) -> np.ndarray:
    """Draw a dot of 2 x 2 pixels on n images."""
    images = np.zeros((n, 28, 28, 1), np.uint8)
    images[:, row : row + 2, column : column + 2] = 255
    return images


def centres(images: tf.Tensor) -> np.ndarray:
    """Return the ink's centre of every image, from the middle of the image; shape (n, 2)."""
    ink = images.numpy()[..., 0].astype(float)
    grid = np.moveaxis(np.indices(ink.shape[1:]), 0, -1) - 13.5
    return np.einsum("nrc,rck->nk", ink, grid) / ink.sum(axis=(1, 2))[:, None]


def test_shape_and_type_are_kept(images):
    """Bytes go in and bytes come out, for images that are not square, too."""
    warped = warp(images, Augment(rotate_degrees=10, scale=0.1, shear=0.1, shift=0.1))

    assert (images.shape, tf.uint8) == (tuple(warped.shape), warped.dtype)


def test_no_ranges_change_nothing(images):
    """The identity gives the same images back, to the bit."""
    assert np.array_equal(images, warp(images, Augment()).numpy())


def test_every_image_has_a_warp_of_its_own():
    """Copies of one image come out different."""
    warped = warp(dot(4, 4, n=8), Augment(shift=0.2)).numpy()

    assert 8 == len({image.tobytes() for image in warped})


def test_a_shift_stays_in_its_range():
    """A tenth of 28 pixels each way, and most of the range is used."""
    moved = centres(warp(dot(13, 13), Augment(shift=0.1)))

    assert 2.0 < np.abs(moved).max() < 2.9


def test_a_rotation_turns_about_the_middle():
    """A dot keeps its distance, and turns both ways by no more than the range."""
    moved = centres(warp(dot(13, 21), Augment(rotate_degrees=20)))

    distance = np.hypot(*moved.T)
    angle = np.degrees(np.arctan2(moved[:, 0], moved[:, 1]))
    assert pytest.approx(8.0, abs=0.2) == distance
    assert -20.5 < angle.min() < -15
    assert 15 < angle.max() < 20.5


def test_a_scale_moves_outer_points_in_and_out():
    """A dot 8 pixels off the middle comes to lie between 0.8 and 1.2 times as far."""
    moved = centres(warp(dot(13, 21), Augment(scale=0.2)))[:, 1] / 8

    assert 0.78 < moved.min() < 0.85
    assert 1.15 < moved.max() < 1.22


def test_a_shear_slants():
    """Columns move in proportion to the row, and rows stay."""
    moved = centres(warp(dot(21, 13), Augment(shear=0.25)))

    assert pytest.approx(8.0, abs=0.1) == moved[:, 0]
    assert 1.5 < np.abs(moved[:, 1]).max() < 2.2


def test_what_comes_in_from_outside_is_background():
    """The border is filled with 0, not with copies of the edge."""
    white = np.full((50, 28, 28, 1), 255, np.uint8)

    assert 0 == warp(white, Augment(shift=0.3)).numpy().min()
