"""Finds connected shapes in a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Shapes(NamedTuple):
    """The shapes of a mask, in no order."""

    labels: NDArray[np.intp]
    """Like the mask: each pixel's shape, counted from 1; 0 is none."""
    areas: NDArray[np.intp]
    """Pixels of each; that of 0 is 0."""
    boxes: NDArray[np.intp]
    """(shapes + 1, 4): top, left, bottom, right; the latter two are just outside."""


def find_shapes(mask: NDArray[np.bool_]) -> Shapes:
    """Label the components that do not touch each other, not even at a corner.

    It takes a few passes over the runs of ink in the rows: some milliseconds for 256 x 256.

    Args:
        mask: Shape (h, w); true is ink.
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = _join(rows, starts, ends, stride=width + 2)
    _, numbers = np.unique(runs, return_inverse=True)
    numbers += 1
    lengths = ends - starts
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = np.repeat(numbers, lengths)
    count = int(numbers.max(initial=0)) + 1
    boxes = np.zeros((count, 4), np.intp)
    boxes[:, :2] = height, width
    np.minimum.at(boxes[:, 0], numbers, rows)
    np.minimum.at(boxes[:, 1], numbers, starts)
    np.maximum.at(boxes[:, 2], numbers, rows + 1)
    np.maximum.at(boxes[:, 3], numbers, ends)
    areas = np.zeros(count, np.intp)
    np.add.at(areas, numbers, lengths)
    return Shapes(labels, areas, boxes)


def _join(
    rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp], stride: int
) -> NDArray[np.intp]:
    """Return for every run of ink the lowest number among the runs connected to it."""
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts)
    beyond = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, side="right")
    touching = np.maximum(beyond - first, 0)
    upper = np.repeat(np.arange(len(rows)), touching)
    lower = np.arange(touching.sum()) + np.repeat(first - np.cumsum(touching) + touching, touching)
    roots = np.arange(len(rows))
    while True:
        of_upper, of_lower = roots[upper], roots[lower]
        if np.array_equal(of_upper, of_lower):
            return roots
        lowest = np.minimum(of_upper, of_lower)
        np.minimum.at(roots, of_upper, lowest)
        np.minimum.at(roots, of_lower, lowest)
        while not np.array_equal(roots, following := roots[roots]):
            roots = following
