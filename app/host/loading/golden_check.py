"""The golden check: compares a version's answers with those that it was published with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.host.runtimes.base import Model
    from model_store import Golden


class TrialFailedError(Exception):
    """Raised when a version fails its trial; the message says how."""

    def __init__(
        self,
        reason: str,
        *,
        lasting: bool = True,
        transient: bool = False,
        out_of_memory: bool = False,
    ) -> None:
        super().__init__(reason)
        self.lasting = lasting
        """The version is at fault, and not a shortage of this machine."""
        self.transient = transient
        """The shortage may be temporary."""
        self.out_of_memory = out_of_memory
        """There was too little memory."""


def check_golden(
    model: Model, golden: Golden, classes: Sequence[str], sizes: Sequence[int]
) -> None:
    """Check the golden images at every prepared batch size; this also warms up the runtime.

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
            when = f"at batch size {size}"
            compare(found, expected, part, classes, when=when, tolerance=golden.tolerance)


def compare(
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
    picks: NDArray[np.int64],
    classes: Sequence[str],
    *,
    when: str,
    tolerance: float,
) -> None:
    """Compare probabilities with the published ones.

    Args:
        found: Probabilities of shape (n, classes).
        expected: The published probabilities.
        picks: Indices of the golden images.
        classes: Names of the classes.
        when: Circumstances, for the message.
        tolerance: Largest difference allowed.

    Raises:
        TrialFailedError: If they have another shape, are not finite, or are off by more.
    """
    if found.shape != expected.shape or found.shape[1] != len(classes):
        shapes = f"{found.shape}; {len(expected)} images of {len(classes)} classes were expected"
        raise TrialFailedError(f"the model gives probabilities of shape {shapes}")
    off = np.abs(found - expected)
    off[~np.isfinite(off)] = np.inf
    row, column = np.unravel_index(np.argmax(off), off.shape)
    if off[row, column] > tolerance:
        raise TrialFailedError(
            f"golden image {picks[row]} {when}: the probability of class "
            f"{classes[int(column)]!r} is {found[row, column]:.4f}, but it was published with "
            f"{expected[row, column]:.4f} (tolerance {tolerance:g})"
        )
