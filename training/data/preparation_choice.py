"""Chooses how pictures are prepared by looking at some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.alpha import without_opacity
from imaging.ink import LUMINANCE, edges_of, find_ink
from imaging.preparation import EXACT, Preparation
from imaging.segmentation import find_drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imaging.preparation import Colour, Kind

_COLOURFUL = 12.0
"""Mean difference of a coloured picture's strongest and weakest channel, in levels of 255."""
_COLOURED_SHARE = 0.1
"""More coloured pictures than this, and the model takes colours."""
_DRAWN_SHARE = 0.9
"""Drawings among the pictures, if digits are made of them."""
_MOST_INK = 0.35
"""Share of a drawing's pixels that are ink, at most: more is an object, and no stroke."""
_MIDDLE = 127.5
_OPAQUE = 255
_SIDE = 256
_WHITE: Colour = (255, 255, 255)


class Choice(NamedTuple):
    """A preparation, and why it was chosen."""

    preparation: Preparation
    channels: int
    """Of the model's input."""
    reason: str


class _Look(NamedTuple):
    """What is seen of one picture."""

    coloured: bool
    drawn: bool
    transparent: bool
    dark_ink: bool
    """Of a transparent one: what is opaque is dark."""
    light_edges: bool


def choose_preparation(pictures: Sequence[NDArray[np.uint8]], kind: Kind | None = None) -> Choice:
    """Choose for pictures of which these are an honest sample.

    Args:
        pictures: Each of shape (h, w, 4): red, green, blue, opacity.
        kind: The kind that was asked for; only its parameters are chosen then.
    """
    looks = [_look(picture) for picture in pictures]
    n = len(looks)
    coloured = sum(look.coloured for look in looks)
    drawn = sum(look.drawn for look in looks)
    is_coloured = coloured > _COLOURED_SHARE * n
    if kind is not None:
        reason = "it was asked for"
    elif drawn >= _DRAWN_SHARE * n and not is_coloured:
        kind, reason = "digit", f"{drawn} of {n} pictures seen are drawn on paper"
    elif is_coloured:
        kind, reason = "fit", f"{coloured} of {n} pictures seen are coloured"
    else:
        kind = "fit"
        reason = f"{drawn} of {n} pictures seen are drawn on paper, and {coloured} are coloured"
    if kind == "digit":
        return Choice(Preparation("digit"), 1, reason)
    channels = 3 if is_coloured else 1
    if kind == "exact":
        return Choice(EXACT, channels, reason)
    light = sum(look.light_edges for look in looks) > n / 2
    invert = light and not is_coloured
    return Choice(
        Preparation("fit", background=_background(looks), invert=invert), channels, reason
    )


def _background(looks: Sequence[_Look]) -> Colour | None:
    """Return what contrasts with the ink on clear canvases; None where none is transparent."""
    clear = [look for look in looks if look.transparent]
    if not clear:
        return None
    return _WHITE if sum(look.dark_ink for look in clear) > len(clear) / 2 else (0, 0, 0)


def _look(picture: NDArray[np.uint8]) -> _Look:
    factor = -(-max(picture.shape[:2]) // _SIDE)
    small = picture[::factor, ::factor]
    laid, transparent = without_opacity(small)
    opaque = small[small[..., 3] == _OPAQUE][:, :3]
    grey = (laid * LUMINANCE).sum(axis=2)
    dark = bool(opaque.size) and float((opaque * LUMINANCE).sum(axis=1).mean()) < _MIDDLE
    return _Look(
        _is_coloured(small),
        _is_drawn(laid),
        transparent,
        dark,
        bool(np.median(edges_of(grey)) > _MIDDLE),
    )


def _is_drawn(laid: NDArray[np.float32]) -> bool:
    drawing = find_drawing(laid)
    if drawing is None or {"low contrast", "cropped"} & {*drawing.notes}:
        return False
    ink = find_ink(laid)
    return bool((ink.amount > ink.enough).mean() <= _MOST_INK)


def _is_coloured(picture: NDArray[np.uint8]) -> bool:
    solid = picture[picture[..., 3] == _OPAQUE][:, :3].astype(np.int16)
    return bool(solid.size) and float(np.ptp(solid, axis=1).mean()) > _COLOURFUL
