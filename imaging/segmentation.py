"""Finds what was drawn among all that is no paper: spots, frames and shadows are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.connected_components import find_shapes
from imaging.ink import edges_of, find_ink
from imaging.morphology import dilate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imaging.connected_components import Shapes
    from imaging.ink import Ink

_SMALL = 64
"""Pixels to a side; in a picture no larger, faint ones are the edges of strokes, and no dust."""
_EDGE = 0.25
"""Share of what makes a pixel ink that makes it an edge there."""
_SPECK, _SPECK_OF_SMALL = 0.04, 0.01
"""A shape with less than this share of the largest's pixels is no part of the drawing."""
_NOTED_SPECK = 0.003
"""One with more than this share is worth a note when it is left out."""
_OTHER = 0.2
"""One with more than this share is another one, and no detached stroke."""
_FRAME = 0.1
"""A shape along more than this share of the picture's edges is a shadow or the table."""
_PASSE_PARTOUT = 0.5
"""One along more than this is never a drawing, though there be no other."""
_CUT = 0.5
"""One at the edge with no more than this share of the pixels of one that is whole is no part."""
SMALLEST = 1 / 40
"""Of the picture's longer side, what a drawing extends over at least."""
_LOW_CONTRAST, _LOW_SIGMAS = 40.0, 7.0
"""Less contrast than this, in levels or in standard deviations of the paper, is doubtful."""
_NOISE_SIGMAS = 3.0


class Drawing(NamedTuple):
    """What was drawn, without the paper around it."""

    ink: NDArray[np.float32]
    """Shape (h, w): 0 is paper, 1 is full ink; each side has some."""
    box: tuple[int, int, int, int]
    """Where it was: top, left, bottom, right; the latter two just outside."""
    notes: tuple[str, ...]
    """Of the notes on a picture, those on ink and shapes."""


def find_drawing(pixels: NDArray[np.float32], smallest: float = SMALLEST) -> Drawing | None:
    """Find it; None on a blank sheet.

    Args:
        pixels: Shape (h, w, 3), 0 to 255; some hundred pixels to a side.
        smallest: Share of the longer side that a drawing extends over at least.
    """
    return (
        _drawn(find_ink(pixels), smallest)
        or _drawn(find_ink(pixels, opposite=True), smallest)  # a light in half of it was ink
        or _drawn(find_ink(pixels, framed=True), smallest)  # more is ink than paper
    )


def _drawn(ink: Ink, smallest: float) -> Drawing | None:
    if not ink.contrast:
        return None
    shapes = find_shapes(ink.amount > ink.enough)
    edges = edges_of(shapes.labels)
    kept = _choose(shapes, edges, smallest)
    largest = int(shapes.areas[kept].max(initial=0))
    if not largest:
        return None
    drawn = kept[shapes.labels]
    soft = _soften(ink, drawn)
    inked = drawn if max(drawn.shape) > _SMALL else soft >= _EDGE * ink.enough
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if max(np.ptp(rows), np.ptp(columns)) + 1 <= smallest * max(inked.shape):
        return None
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    notes = _notes(ink, kept, shapes.areas / largest, cropped=bool(kept[edges].any()))
    return Drawing(soft[box[0] : box[2], box[1] : box[3]], box, notes)


def _choose(shapes: Shapes, edges: NDArray[np.intp], smallest: float) -> NDArray[np.bool_]:
    """Return which shapes belong to the drawing; shape 0 is the paper.

    Args:
        shapes: All that are darker or lighter than the paper.
        edges: The shapes at the edges of the picture, pixel by pixel.
        smallest: Share of the longer side that each extends over at least.
    """
    labels, areas = shapes.labels, shapes.areas
    along = np.bincount(edges, minlength=len(areas)) / len(edges)
    extent = (shapes.boxes[:, 2:] - shapes.boxes[:, :2]).max(axis=1)
    kept: NDArray[np.bool_] = (along <= _FRAME) & (extent > smallest * max(labels.shape))
    kept[0] = False
    if not kept.any():
        kept = (along <= _PASSE_PARTOUT) & (areas > 0)
    whole = areas[kept & (along == 0)].max(initial=0)
    kept &= (along == 0) | (areas > _CUT * whole)
    speck = _SPECK if max(labels.shape) > _SMALL else _SPECK_OF_SMALL
    kept &= areas >= speck * areas[kept].max(initial=0)
    return kept


def _soften(ink: Ink, drawn: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keep the shapes with their soft edges, and take the paper's noise away."""
    floor = _NOISE_SIGMAS * ink.noise / ink.contrast
    soft: NDArray[np.float32] = np.clip((ink.amount - floor) / (1 - floor), 0, 1)
    side = max(drawn.shape)
    if side > _SMALL:
        soft[~_grown(drawn, 1 + side // 100)] = 0
    return soft


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return dilate(mask.astype(np.float32), reach) > 0


def _notes(
    ink: Ink, kept: NDArray[np.bool_], areas: NDArray[np.float64], *, cropped: bool
) -> tuple[str, ...]:
    said = {
        "inverted": ink.darker,
        "specks": bool((areas[~kept] > _NOTED_SPECK).any()),
        "cropped": cropped,
        "several shapes": int((areas[kept] > _OTHER).sum()) > 1,
        "low contrast": ink.contrast < max(_LOW_CONTRAST, _LOW_SIGMAS * ink.noise),
    }
    return tuple(note for note, holds in said.items() if holds)
