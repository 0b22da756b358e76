"""Digits as people send them: of any size and colour, tilted, on paper that is none too clean."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUNDS = ("plain", "inverted", "coloured", "transparent", "noisy", "unevenly lit", "photographed")
"""What a digit is on; a photograph has colour, noise and uneven light at once."""
_SIDES = (41, 361)
_MOST_DEGREES = 10
_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
_CRISP = 0.35
"""This share of the digits have sharp edges, as a pen's; the others those of enlarged pixels."""
_INK_SPREAD = 110.0
"""By so much do ink and paper differ at least, as a length in RGB."""
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


class Photograph(NamedTuple):
    """A picture file, and how it was made."""

    file: bytes
    kind: str
    """png, jpeg."""
    ground: str


def photograph(digit: NDArray[np.uint8], turn: int, rng: np.random.Generator) -> Photograph:
    """Make a picture of a digit.

    Args:
        digit: Shape (28, 28).
        turn: Grounds and kinds of file go round with it.
        rng: Makes everything else.
    """
    ground = GROUNDS[turn % len(GROUNDS)]
    kind = "png" if ground == "transparent" or turn // len(GROUNDS) % 2 == 0 else "jpeg"
    ink = _placed(_tilted(_enlarged(digit, rng), rng), rng)[..., np.newaxis]
    if ground == "transparent":
        colour = np.full(3, rng.choice([0, 255])) if rng.random() < 0.5 else rng.integers(0, 256, 3)
        pixels = np.concatenate([np.broadcast_to(colour, (*ink.shape[:2], 3)), ink * 255], axis=2)
        return Photograph(_file(pixels, kind, rng), kind, ground)
    paper_colour, ink_colour = _colours(ground, rng)
    pixels = paper_colour + (ink_colour - paper_colour) * ink
    if ground in ("unevenly lit", "photographed"):
        pixels = pixels * _light(ink.shape[:2], rng)[..., np.newaxis]
    if ground in ("noisy", "photographed"):
        pixels = pixels + _grain(pixels.shape, rng)
    return Photograph(_file(pixels, kind, rng), kind, ground)


def on_paper(ink: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put ink on paper as a camera sees it.

    Args:
        ink: Shape (h, w), 0 to 1.
        rng: Chooses colours, light and grain.

    Returns:
        Shape (h, w, 3).
    """
    paper_colour, ink_colour = _colours("noisy", rng)
    pixels = paper_colour + (ink_colour - paper_colour) * ink[..., np.newaxis]
    lit = pixels * _light(ink.shape, rng)[..., np.newaxis] + _grain(pixels.shape, rng)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _enlarged(digit: NDArray[np.uint8], rng: np.random.Generator) -> Image.Image:
    side = int(rng.integers(*_SIDES)) | 1
    kernel = _KERNELS[rng.integers(len(_KERNELS))]
    large = Image.fromarray(digit).resize((side, side), kernel)
    if rng.random() < _CRISP:
        steep = 28 * 255 / side  # about a pixel from paper to ink
        large = large.point(lambda value: (value - 127.5) / steep * 255 + 127.5)
    return large


def _tilted(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    degrees = rng.uniform(-_MOST_DEGREES, _MOST_DEGREES)
    return ink.rotate(degrees, Image.Resampling.BICUBIC, expand=True)


def _placed(ink: Image.Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """Put it anywhere on a larger sheet; gives how much ink is where, from 0 to 1."""
    wide, high = (int(side * rng.uniform(1, 2.2)) | 1 for side in ink.size)
    sheet = Image.new("L", (max(wide, ink.width), max(high, ink.height)))
    at = rng.integers(sheet.width - ink.width + 1), rng.integers(sheet.height - ink.height + 1)
    sheet.paste(ink, (int(at[0]), int(at[1])))
    return np.asarray(sheet) / 255


def _colours(
    ground: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Choose paper and ink."""
    if ground in ("plain", "noisy", "unevenly lit"):
        return np.full(3, rng.uniform(200, 255)), np.full(3, rng.uniform(0, 80))
    if ground == "inverted":
        return np.full(3, rng.uniform(0, 50)), np.full(3, rng.uniform(180, 255))
    while True:
        paper, ink = rng.uniform(0, 255, (2, 3))
        if np.linalg.norm(paper - ink) > _INK_SPREAD:
            return paper, ink


def _light(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Make a lamp at one side, and corners that are darker."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)
    return 1 - rng.uniform(0.1, 0.3) * (1 + slope) - rng.uniform(0, 0.2) * (x**2 + y**2) / 2


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Make noise of the sensor, and spots of the paper some pixels wide."""
    height, width, _ = shape
    fine = rng.normal(0, rng.uniform(4, 16), shape)
    coarse = rng.normal(0, 40, (max(2, height // 24), max(2, width // 24)))
    smooth = Image.fromarray(coarse.astype(np.float32)).resize((width, height), _KERNELS[1])
    return fine + rng.uniform(0.05, 0.2) * np.asarray(smooth)[..., np.newaxis]


def _file(pixels: NDArray[np.float64], kind: str, rng: np.random.Generator) -> bytes:
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    to = io.BytesIO()
    if kind == "jpeg":
        image.save(to, "JPEG", quality=int(rng.integers(40, 96)))
    else:
        image.save(to, "PNG")
    return to.getvalue()
