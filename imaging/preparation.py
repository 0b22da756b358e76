"""How a model's pictures become its pixels: a part of the version.

Names and parameters only: a process that reads no picture needs neither numpy nor Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from imaging.errors import MalformedPictureError

Kind = Literal["digit", "fit", "exact"]

Prepare = Literal["auto", "always", "never", "digit", "fit", "exact"]
"""What a request may ask for. auto prepares as the version was trained; always does so with what is
of its size too; never refuses what is not; the others name a kind of preparation."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a model's pictures become its pixels.

    `digit`: the ink is found, made white on black, cropped and centred as MNIST's.
    `fit`: the whole picture is scaled to the model's size.
    `exact`: a picture of another size is an error.
    """

    kind: Kind
    keep_exact: bool = False
    """Take a picture of the model's own size pixel for pixel, whatever the kind."""
    background: Colour | None = None
    """Of `fit` and `exact`: what shows through, and beside a picture of another aspect; None is
    black, and the median colour of the picture's edges."""
    keep_aspect: bool = True
    """Of `fit`: False stretches the picture."""
    invert: bool = False
    """Of `fit` and `exact`: the negative is taken."""

    def check_channels(self, channels: int) -> None:
        """Check that a model's input can be prepared in this way.

        Raises:
            MalformedPictureError: If it has more or fewer channels than a digit.
        """
        if self.kind == "digit" and channels != 1:
            raise MalformedPictureError(
                f"digit makes pictures of 1 channel; the model takes {channels}: use fit or exact"
            )


EXACT = Preparation("exact")


def usual(channels: int) -> Preparation:
    """Return the preparation of a model that names none: it was trained on pixels."""
    return Preparation("digit" if channels == 1 else "fit", keep_exact=True)


def without_exception(preparation: Preparation, channels: int) -> Preparation:
    """Return the preparation that is applied to pictures of the model's own size too."""
    if preparation.kind == "exact":
        preparation = usual(channels)
    return replace(preparation, keep_exact=False)
