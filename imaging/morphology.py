"""The largest, the smallest and the mean value around every pixel of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def dilate(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the largest value in the square that reaches so many pixels to every side.

    The time grows with the logarithm of the reach.

    Args:
        values: Shape (h, w); outside of it is nothing.
        reach: Pixels.
    """
    for axis in (0, 1):
        around = [(0, 0), (0, 0)]
        around[axis] = (reach, reach)
        line = np.moveaxis(np.pad(values, around, constant_values=-np.inf), axis, 0)
        span, whole = 1, 2 * reach + 1
        while 2 * span <= whole:
            line = np.maximum(line[:-span], line[span:])
            span *= 2
        if rest := whole - span:
            line = np.maximum(line[:-rest], line[rest:])
        values = np.moveaxis(line, 0, axis)
    return values


def erode(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the smallest in the same way."""
    return -dilate(-values, reach)


def without_peaks(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Cut off whatever is higher than its surroundings and no wider than the square."""
    return dilate(erode(values, reach), reach)


def average(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the mean of the square; values at the edges extend beyond them."""
    for axis in (0, 1):
        around = [(0, 0), (0, 0)]
        around[axis] = (reach, reach)
        line = np.moveaxis(np.pad(values, around, mode="edge"), axis, 0)
        whole = 2 * reach + 1
        length = len(line) - 2 * reach
        total = np.sum([line[side : side + length] for side in range(whole)], axis=0)
        values = np.moveaxis(total / np.float32(whole), 0, axis)
    return values
