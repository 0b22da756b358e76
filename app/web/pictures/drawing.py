"""Finds what was drawn among all that is no paper: spots, frames and shadows are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.web.pictures.ink import find_ink
from app.web.pictures.shapes import find_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.web.pictures.ink import Ink
    from app.web.pictures.shapes import Shapes

_INKED = 0.4
"""Share of full ink that makes a pixel part of a shape."""
_EDGE = 0.5
"""The same that makes it part of the drawing's box."""
_SPECK = 0.04
"""A shape with less than this share of the largest's pixels is no part of the drawing."""
_NOTED_SPECK = 0.003
_OTHER = 0.2
"""One with more than this share is another one, and no detached stroke."""
_FRAME = 0.1
"""A shape along more than this share of the picture's edges is a shadow or the table."""
_SMALLEST = 1 / 40
"""Of the picture's longer side, what a drawing extends over at least."""
_LOW_CONTRAST = 40.0
_LOW_SIGMAS = 7.0


class Drawing(NamedTuple):
    """What was drawn, without the paper around it."""

    ink: NDArray[np.float32]
    """Shape (h, w): 0 is paper, 1 is full ink; each side has some."""
    box: tuple[int, int, int, int]
    """Where it was: top, left, bottom, right; the latter two just outside."""
    notes: tuple[str, ...]
    """Of the notes on a picture, those on ink and shapes."""


def find_drawing(pixels: NDArray[np.float32]) -> Drawing | None:
    """Find it; None on a blank sheet.

    Args:
        pixels: Shape (h, w, 3), 0 to 255; some hundred pixels to a side.
    """
    ink = find_ink(pixels)
    if not ink.contrast:
        return None
    shapes = find_shapes(ink.amount > _INKED)
    kept = _choose(shapes)
    largest = int(shapes.areas[kept].max(initial=0))
    if not largest:
        return None
    soft = _soften(ink, kept[shapes.labels])
    inked = soft >= _EDGE
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if max(np.ptp(rows), np.ptp(columns)) + 1 <= _SMALLEST * max(inked.shape):
        return None
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    notes = _notes(ink, shapes, kept, largest)
    return Drawing(soft[box[0] : box[2], box[1] : box[3]], box, notes)


def _choose(shapes: Shapes) -> NDArray[np.bool_]:
    """Say which of the shapes are the drawing; that numbered 0 is the paper."""
    labels = shapes.labels
    edges = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    along = np.bincount(edges, minlength=len(shapes.areas)) / len(edges)
    extent = (shapes.boxes[:, 2:] - shapes.boxes[:, :2]).max(axis=1)
    inside = (along <= _FRAME) & (extent > _SMALLEST * max(labels.shape))
    inside[0] = False
    kept = inside if inside.any() else np.arange(len(along)) > 0
    large: NDArray[np.bool_] = shapes.areas >= _SPECK * shapes.areas[kept].max(initial=0)
    return kept & large


def _soften(ink: Ink, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keep the shapes with their soft edges, and take the paper's noise away."""
    floor = 3 * ink.noise / ink.contrast
    near = _grown(kept, 1 + max(kept.shape) // 100)
    soft = np.clip((ink.amount - floor) / (1 - floor), 0, 1)
    return np.where(near, soft, 0).astype(np.float32)


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    for axis in (0, 1):
        cells = np.moveaxis(mask, axis, 0)
        grown = cells.copy()
        for step in range(1, min(by + 1, len(cells))):
            grown[step:] |= cells[:-step]
            grown[:-step] |= cells[step:]
        mask = np.moveaxis(grown, 0, axis)
    return mask


def _notes(ink: Ink, shapes: Shapes, kept: NDArray[np.bool_], largest: int) -> tuple[str, ...]:
    labels = shapes.labels
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    areas = shapes.areas / largest
    said = {
        "inverted": ink.darker,
        "specks": bool((areas[~kept] > _NOTED_SPECK).any()),
        "cropped": bool(kept[edges].any()),
        "several shapes": int((areas[kept] > _OTHER).sum()) > 1,
        "low contrast": ink.contrast < max(_LOW_CONTRAST, _LOW_SIGMAS * ink.noise),
    }
    return tuple(note for note, holds in said.items() if holds)
