"""What a model sees of a picture, and the notes on it."""

from __future__ import annotations

from typing import NamedTuple

Shape = tuple[int, int, int]
"""Rows, columns and channels that a model takes."""

NOTES = {
    "inverted": "the ink was darker than the paper, and is white on black now",
    "transparent": "what was transparent was taken for paper",
    "resized": "the whole picture was scaled to fit",
    "specks": "small spots were left out",
    "blank": "nothing was found on the paper",
    "looks inverted": "it was taken pixel for pixel, and is dark on light: prepare=always turns it",
    "nothing opaque": "it was taken pixel for pixel, and what is opaque is black, as the rest is",
    "cropped": "the ink goes on beyond the picture's edge",
    "several shapes": "there is more than one shape",
    "low contrast": "ink and paper are hard to tell apart",
}
"""Every note that a picture may get, and its meaning: what was done, then what is doubtful."""


class Prepared(NamedTuple):
    """What a model sees of a picture."""

    pixels: bytes
    """uint8, row-major, in the model's shape."""
    notes: tuple[str, ...]
    """Of NOTES, in their order."""
