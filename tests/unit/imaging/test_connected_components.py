"""Connected shapes are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.connected_components import find_shapes

pytestmark = pytest.mark.unit


def shapes_of(*rows):
    return find_shapes(np.array([[cell == "#" for cell in row] for row in rows]))


def test_shapes_that_do_not_touch_are_apart():
    shapes = shapes_of("##..#", "#...#", "..#..")
    assert [0, 1, 2, 3] == sorted(shapes.areas.tolist())
    assert {(0, 0, 2, 2), (0, 4, 2, 5), (2, 2, 3, 3)} == set(map(tuple, shapes.boxes[1:].tolist()))


def test_corners_touch():
    assert 2 == len(shapes_of("#..", ".#.", "..#").areas)


def test_shapes_that_meet_at_the_bottom_are_one():
    """Rows above say nothing of it yet."""
    shapes = shapes_of("#.#.#", "#.#.#", "#####")
    assert [0, 11] == shapes.areas.tolist()


@pytest.mark.parametrize("density", [0, 0.2, 0.4, 0.6, 1])
def test_labels_agree_with_a_flood(density):
    """Random masks, told apart pixel by pixel as well."""
    mask = np.random.default_rng(5).random((23, 31)) < density
    shapes = find_shapes(mask)
    assert (mask == (shapes.labels > 0)).all()
    left = {tuple(at) for at in np.argwhere(mask).tolist()}
    flooded = 0
    while left:
        flooded += 1
        todo = [left.pop()]
        label = shapes.labels[todo[0]]
        size = 0
        while todo:
            y, x = todo.pop()
            size += 1
            assert label == shapes.labels[y, x]
            around = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            todo += around
        assert size == shapes.areas[label]
    assert flooded == len(shapes.areas) - 1
