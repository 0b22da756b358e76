"""The trial of a version: does it give the answers it was published with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.host.runtimes.base import Model
    from model_store import Golden


class TrialFailedError(Exception):
    """Raised when a version does not answer as it should; the text says how."""


def try_golden(model: Model, golden: Golden, classes: Sequence[str], sizes: Sequence[int]) -> None:
    """Run the golden images at every prepared batch size; this also warms the runtime.

    Raises:
        TrialFailedError: If any answer has another shape, is not finite, or is off by more than the
            golden tolerance.
    """
    for size in sizes:
        picks = np.arange(max(size, len(golden.images))) % len(golden.images)
        for start in range(0, len(picks), size):
            part = picks[start : start + size]
            found = model.predict([golden.images[part]])
            expected = golden.probabilities[part]
            _compare(found, expected, part, classes, size=size, tolerance=golden.tolerance)


def _compare(
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
    picks: NDArray[np.int64],
    classes: Sequence[str],
    *,
    size: int,
    tolerance: float,
) -> None:
    if found.shape != expected.shape or found.shape[1] != len(classes):
        shapes = f"{found.shape}; {len(expected)} images of {len(classes)} classes were expected"
        raise TrialFailedError(f"the model gives probabilities of shape {shapes}")
    off = np.abs(found - expected)
    off[~np.isfinite(off)] = np.inf
    row, column = np.unravel_index(np.argmax(off), off.shape)
    if off[row, column] > tolerance:
        raise TrialFailedError(
            f"golden image {picks[row]} at batch size {size}: the probability of class "
            f"{classes[int(column)]!r} is {found[row, column]:.4f}, but it was published with "
            f"{expected[row, column]:.4f} (tolerance {tolerance:g})"
        )
