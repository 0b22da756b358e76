"""Small images side by side in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_COLUMNS = 8
_SIDE = 28
"""Smaller tiles are enlarged to about so many pixels."""
_GAP = 3
_LINE = 7


def draw_image_grid(
    tiles: NDArray[np.float32], names: Sequence[str], **colours: Any
) -> tuple[Figure, Axes]:
    """Lay small images out in rows, framed and perhaps named; one image draws faster than many."""
    factor = max(1, _SIDE // tiles.shape[1])
    tiles = tiles.repeat(factor, 1).repeat(factor, 2)
    n, height, width = tiles.shape
    rows = max(1, -(-n // _COLUMNS))
    top = _LINE * max((1 + name.count("\n") for name in names), default=0)
    canvas = np.full((rows * (top + height + _GAP), _COLUMNS * (width + _GAP)), np.nan)
    figure = Figure(figsize=(8, 8 * canvas.shape[0] / canvas.shape[1] + 0.4), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    for index, tile in enumerate(tiles):
        row, column = divmod(index, _COLUMNS)
        y, x = top + row * (top + height + _GAP), column * (width + _GAP)
        canvas[y : y + height, x : x + width] = tile
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, ec="0.7", lw=0.5))
        if names:
            axes.text(x + width / 2, y - 2, names[index], ha="center", va="bottom", fontsize=8)
    axes.imshow(canvas, **colours)
    return figure, axes
