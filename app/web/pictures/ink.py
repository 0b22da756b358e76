"""Tells ink from paper: which is which, how it is lit, and how much ink is where.

Paper is what most of the picture is, its colour changing slowly from place to place. Ink is what
differs from it, all in one direction of colour. That holds for black on white, white on black and
red on green alike, so nothing else decides the polarity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

_SURFACE_POINTS = 48
"""To a side, of those that the paper is fitted to."""
_SURFACE_ROUNDS = 8
_TERMS = 6
_RIDGE = 1e-6
_LEAST_SCALE = 2.0
_TYPICAL = 2.5
"""Paper is off its surface by so many medians at most, or nearly so."""
_LEAST_CONTRAST = 10.0
"""Levels of 255; what differs from the paper by less is no ink."""
_SIGMAS = 4.0
_SIGMA_OF_MEDIAN = 1.4826


class Ink(NamedTuple):
    """How much ink is where."""

    amount: NDArray[np.float32]
    """Shape (h, w); 0 is paper and 1 is full ink, though either may be passed."""
    contrast: float
    """Of full ink, as a length in RGB, of 441 at most; 0 where there is none."""
    noise: float
    """Standard deviation of the paper, in the same measure."""
    darker: bool
    """Whether the ink is darker than the paper."""


def find_ink(pixels: NDArray[np.float32]) -> Ink:
    """Measure the ink of a picture.

    Nothing here calls the BLAS, which would start threads of its own for as little as this.

    Args:
        pixels: Shape (h, w, 3), 0 to 255.
    """
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    amount, direction = _along_ink(planes - _paper(planes))
    darker = bool((direction * LUMINANCE).sum() < 0)
    noise = _SIGMA_OF_MEDIAN * float(np.median(np.abs(amount)))
    floor = max(_LEAST_CONTRAST, _SIGMAS * noise)
    strong = amount[amount > floor].astype(np.float64)
    if not strong.size:
        return Ink(np.zeros_like(amount), 0.0, noise, darker)
    level = float((strong**2).sum() / strong.sum())  # strokes count for more than their edges
    return Ink(amount / np.float32(level), level, noise, darker)


def _paper(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit the paper's colours as surfaces of the second degree that outliers do not pull."""
    _, height, width = planes.shape
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    ys, xs = _spread(height), _spread(width)
    sample = planes[:, ys[:, np.newaxis], xs].reshape(3, -1).astype(np.float64)
    terms = _terms(*np.meshgrid(y[ys], x[xs], indexing="ij"))
    off = np.linalg.norm(sample - np.median(sample, axis=1, keepdims=True), axis=0)
    for _ in range(_SURFACE_ROUNDS):
        scale = max(_LEAST_SCALE, _TYPICAL * float(np.median(off)))
        weighted = terms / (1 + (off / scale) ** 2) ** 2
        among = np.einsum("tn,sn->ts", weighted, terms) + _RIDGE * np.eye(_TERMS)
        found = np.linalg.solve(among, np.einsum("tn,cn->tc", weighted, sample))
        off = np.linalg.norm(sample - np.einsum("tn,tc->cn", terms, found), axis=0)
    one, across, across2, both, down, down2 = found.astype(np.float32)[:, :, np.newaxis]
    rows, columns = one + down * y + down2 * y * y, across * x + across2 * x * x
    paper: NDArray[np.float32] = both[:, :, np.newaxis] * y[:, np.newaxis] * x
    paper += rows[:, :, np.newaxis]
    paper += columns[:, np.newaxis]
    return paper


def _spread(side: int) -> NDArray[np.intp]:
    """Choose points along a side."""
    return np.unique(np.linspace(0, side - 1, min(side, _SURFACE_POINTS)).round().astype(np.intp))


def _terms(y: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float64]:
    terms = np.stack([np.ones_like(x), x, x * x, x * y, y, y * y])
    return terms.reshape(_TERMS, -1).astype(np.float64)


def _along_ink(away: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Project on the direction of colour in which the picture differs most from its paper."""
    _, directions = np.linalg.eigh(np.einsum("chw,dhw->cd", away, away))
    direction: NDArray[np.float32] = directions[:, -1].astype(np.float32)
    red, green, blue = direction
    amount = red * away[0] + green * away[1] + blue * away[2]
    if np.einsum("hw,hw,hw->", amount, amount, amount) < 0:  # ink is the longer tail
        return -amount, -direction
    return amount, direction
