"""Separates ink from paper: which is which, how it is lit, and how much ink is where.

Paper is what most of the picture is, its colour changing slowly from place to place. Ink is what
differs from it, all in one direction of colour. That holds for black on white, white on black and
red on green alike, so nothing else decides the polarity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from imaging.connected_components import find_shapes
from imaging.morphology import average, without_peaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Number = TypeVar("_Number", np.float32, np.intp)

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
_SIGMAS, _NOISY, _CLEAN = 4.0, 6.0, 9.0
"""In standard deviations of the paper: what is not noise, full ink at least, and full ink that
needs no smoothing."""
_LARGE = 64
"""Pixels to a side, from which on smoothing takes nothing that is needed."""
_SIGMA_OF_MEDIAN = 1.4826
_OF_LEVEL = 0.6
"""Share of full ink that weighs in where full ink is measured: faint lines of the paper do not."""
_LEVEL_ROUNDS = 3
_HALF, _FULLEST = 0.5, 95
"""Share of full ink that makes a pixel ink, and the percentile of ink that is the fullest."""
_CLEAR = 0.9
"""A skewness, 1 at most, that leaves no doubt about which side ink is on."""
_RESTLESS = 30.0
"""Levels; beyond them it does not matter how far paper is off."""
_NARROW, _WIDEST = 0.1, 0.3
"""Shares of the picture's longer side: what is surely a stroke, and what is none any more."""


class Ink(NamedTuple):
    """How much ink is where."""

    amount: NDArray[np.float32]
    """Shape (h, w); 0 is paper and 1 is the fullest ink, though either may be passed."""
    enough: float
    """Amount that makes a pixel ink."""
    contrast: float
    """Of full ink, as a length in RGB, of 441 at most; 0 where there is none."""
    noise: float
    """Standard deviation of the paper, in the same measure."""
    darker: bool
    """Whether the ink is darker than the paper."""


def find_ink(pixels: NDArray[np.float32], *, framed: bool = False, opposite: bool = False) -> Ink:
    """Measure the ink of a picture.

    Nothing here calls the BLAS, which would start threads of its own for as little as this.

    Args:
        pixels: Shape (h, w, 3), 0 to 255.
        framed: Whether paper is what is at the picture's edges, and not what most of it is.
        opposite: Whether ink is on the side where it does not seem to be.
    """
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    if framed:
        frame = np.median(edges_of(planes), axis=1)
        read = _read(planes - frame[:, np.newaxis, np.newaxis], opposite=opposite)
    else:
        read = _read(planes - _paper(planes), opposite=opposite)
        if not read.clear:  # the edge of a shadow bends the surface
            flat = np.median(planes, axis=(1, 2), keepdims=True)
            read = min(read, _read(planes - flat, opposite=opposite), key=_unrest)
    amount = read.amount - np.float32(np.median(edges_of(read.amount) if framed else read.amount))
    level, noise = _level(amount, framed=framed)
    if level < _CLEAN * noise and min(amount.shape) >= _LARGE:
        amount = average(amount, 1)
        level, noise = _level(amount, framed=framed)
    if level < _NOISY * noise or not level:
        return Ink(np.zeros_like(amount), 1.0, 0.0, noise, read.darker)
    fullest = float(np.percentile(amount[amount > _OF_LEVEL * level], _FULLEST))
    enough = _HALF * level / fullest
    return Ink(amount / np.float32(fullest), enough, level, noise, read.darker)


def edges_of(values: NDArray[_Number]) -> NDArray[_Number]:
    """Return the values at the edges of (..., h, w), each corner once; shape (..., n)."""
    sides = [values[..., 0, :], values[..., -1, :], values[..., 1:-1, 0], values[..., 1:-1, -1]]
    return np.concatenate(sides, axis=-1)


class _Reading(NamedTuple):
    """How far a picture is off what was taken for its paper."""

    amount: NDArray[np.float32]
    """Shape (h, w); ink is positive."""
    darker: bool
    clear: bool
    """Whether there is no doubt about the side that ink is on."""


def _read(away: NDArray[np.float32], *, opposite: bool) -> _Reading:
    """Find the side of the paper that ink is on, and take away what is too wide for a stroke.

    Args:
        away: Shape (3, h, w); how far each pixel is off the paper.
        opposite: As of `find_ink`.
    """
    along, direction = _along_ink(away)
    cubes = along * along * along
    skewness = float(cubes.sum()) / max(1.0, float(np.abs(cubes).sum()))
    clear = abs(skewness) > _CLEAR
    if clear:
        turned = skewness < 0  # ink is the longer tail
    else:
        reach = round(_NARROW * max(along.shape) / 2)
        peaks = along - without_peaks(along, reach)
        troughs = -along - without_peaks(-along, reach)
        turned = float((peaks**3).sum()) < float((troughs**3).sum())
    turned ^= opposite
    darker = bool((direction * LUMINANCE).sum() < 0) != turned
    return _Reading(_narrow(-along if turned else along), darker, clear)


def _narrow(amount: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take away what is wider than any stroke and comes from outside, as a hand's shadow does."""
    wide = without_peaks(amount, round(_WIDEST * max(amount.shape) / 2))
    labels = find_shapes(wide > _LEAST_CONTRAST).labels
    inside = np.ones(labels.max() + 1, np.bool_)
    inside[0] = False
    inside[edges_of(labels)] = False
    return amount - np.where(inside[labels], np.float32(np.median(wide)), wide)


def _unrest(read: _Reading) -> float:
    """Return the amount left on the paper, ink or not."""
    off = read.amount - np.median(read.amount)
    return float(np.minimum(np.abs(off), _RESTLESS).mean())


def _level(amount: NDArray[np.float32], *, framed: bool) -> tuple[float, float]:
    """Return the amount of full ink, 0 where there is none, and the variation of the paper."""
    paper = edges_of(amount) if framed else amount
    noise = _SIGMA_OF_MEDIAN * float(np.median(np.abs(paper)))
    floor = max(_LEAST_CONTRAST, _SIGMAS * noise)
    level = 0.0
    for _ in range(_LEVEL_ROUNDS):
        strong = amount[amount > max(floor, _OF_LEVEL * level)].astype(np.float64)
        if not strong.size:
            return 0.0, noise
        level = float((strong**2).sum() / strong.sum())  # strokes count for more than their edges
    return level, noise


def _paper(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit the paper's colours as surfaces of the second degree that outliers do not pull."""
    _, height, width = planes.shape
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    ys, xs = _spread(height), _spread(width)
    sample = planes[:, ys[:, np.newaxis], xs].reshape(3, -1).astype(np.float64)
    terms = _terms(*np.meshgrid(y[ys], x[xs], indexing="ij"))
    flat = np.median(sample, axis=1, keepdims=True)
    off = np.linalg.norm(sample - flat, axis=0)
    if not np.median(off):  # drawn on a screen
        return np.broadcast_to(flat[..., np.newaxis].astype(np.float32), planes.shape)
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
    return amount, direction
