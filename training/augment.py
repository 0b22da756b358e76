"""Random rotation, scale, shear and shift as one affine warp of a whole batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf
from keras import ops

if TYPE_CHECKING:
    from training.recipes import Augment


def warp(images: tf.Tensor, ranges: Augment) -> tf.Tensor:
    """Warp every image of a batch by its own random matrix.

    Args:
        images: uint8 of shape (n, rows, columns, channels), background 0.
        ranges: How far each change may go.

    Returns:
        uint8 of the same shape.
    """
    transforms = _transforms(tf.shape(images)[0], images.shape[1:3], ranges)
    warped = ops.image.affine_transform(
        tf.cast(images, tf.float32), transforms, interpolation="bilinear", fill_mode="constant"
    )
    return tf.cast(tf.round(warped), tf.uint8)


def _transforms(n: tf.Tensor, size: tuple[int, int], ranges: Augment) -> tf.Tensor:
    """Draw n vectors (a0, a1, a2, b0, b1, b2, 0, 0) that map output points to input points."""
    angle = _draw(n, math.radians(ranges.rotate_degrees))
    shear = _draw(n, ranges.shear)
    grow_x, grow_y = 1 + _draw(n, ranges.scale), 1 + _draw(n, ranges.scale)
    a0, a1 = tf.cos(angle) / grow_x, (shear - tf.sin(angle)) / grow_x
    b0, b1 = tf.sin(angle) / grow_y, tf.cos(angle) / grow_y
    middle_y, middle_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    # The warp turns about the middle of the image, then shifts.
    a2 = middle_x - a0 * middle_x - a1 * middle_y + _draw(n, ranges.shift * size[1])
    b2 = middle_y - b0 * middle_x - b1 * middle_y + _draw(n, ranges.shift * size[0])
    nil = tf.zeros_like(a0)
    return tf.stack([a0, a1, a2, b0, b1, b2, nil, nil], axis=1)


def _draw(n: tf.Tensor, reach: float) -> tf.Tensor:
    return tf.random.uniform([n], -reach, reach)
