"""Lays a picture that is transparent in places on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imaging.ink import LUMINANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OPAQUE = 255
_MIDDLE = 127.5
_SHEET = 0.3
"""What is clear in more of a picture than this is what the ink was drawn on, else a cut-out."""


def without_opacity(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], bool]:
    """Put paper where nothing is.

    Ink on a clear sheet gets white paper if it is dark, else black. A photograph with a cut-out,
    such as round corners, gets its own colour there.

    Args:
        picture: Shape (h, w, 4): red, green, blue, opacity.

    Returns:
        Shape (h, w, 3), 0 to 255; and whether anything was transparent.
    """
    colours = picture[..., :3].astype(np.float32)
    if picture[..., 3].min() == _OPAQUE:
        return colours, False
    opacity = picture[..., 3:].astype(np.float32) / np.float32(_OPAQUE)
    solid = opacity[..., 0] > _MIDDLE / _OPAQUE
    inked = colours * opacity
    if solid.mean() > 1 - _SHEET:
        paper = np.median(colours[solid], axis=0).astype(np.float32)
    else:
        mean = inked.sum(axis=(0, 1)) / max(1.0, float(opacity.sum()))
        paper = np.full(3, 0 if (mean * LUMINANCE).sum() > _MIDDLE else _OPAQUE, np.float32)
    laid: NDArray[np.float32] = inked + paper * (1 - opacity)
    return laid, True
