"""Folders of pictures as people have them, made of MNIST: one per class, below train and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.Image import Transpose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]
    _File = tuple[Image.Image, str, dict[str, object]]
    """A picture, the end of its name, and how it is saved."""
    Draw = Callable[[Grey, np.random.Generator, int], _File]

_HELD = {1: None, 3: Transpose.ROTATE_180, 6: Transpose.ROTATE_90, 8: Transpose.ROTATE_270}
"""EXIF orientation -> how a camera that says so was held."""


def _large(grey: Grey) -> Image.Image:
    return Image.fromarray(grey).resize((56, 56), Image.Resampling.BICUBIC)


def _white_on_black(grey: Grey, _rng: np.random.Generator, _label: int) -> _File:
    return _large(grey), "png", {}


def _black_on_white(grey: Grey, _rng: np.random.Generator, _label: int) -> _File:
    return _large(255 - grey), "png", {}


def _small_black_on_white(grey: Grey, _rng: np.random.Generator, _label: int) -> _File:
    return Image.fromarray(255 - grey), "png", {}


def _on_clear_canvas(grey: Grey, _rng: np.random.Generator, _label: int) -> _File:
    canvas = Image.new("RGBA", (56, 56), (0, 0, 0, 0))
    canvas.putalpha(_large(grey))
    return canvas, "png", {}


def _sixteen_bits(grey: Grey, _rng: np.random.Generator, _label: int) -> _File:
    return Image.fromarray(np.asarray(_large(grey)).astype(np.uint16) * 257), "png", {}


def _small_on_sheet(grey: Grey, rng: np.random.Generator, _label: int) -> _File:
    sheet = np.full((400, 300), 245, np.uint8)
    top, left = rng.integers(20, 340), rng.integers(20, 240)
    place = sheet[top : top + 28, left : left + 28]
    place[:] = np.minimum(place, 255 - grey)
    return Image.fromarray(sheet), "png", {}


def _coloured(grey: Grey, rng: np.random.Generator, label: int) -> _File:
    """Draw objects whose colour says as much as their shape."""
    hue = np.array([label * 25, 255 - label * 20, (label % 5) * 60], np.float32)
    ground = rng.integers(0, 80, 3).astype(np.float32)
    ink = (np.asarray(_large(grey)).astype(np.float32) / 255)[..., np.newaxis]
    wide = np.kron(np.clip(ground + ink * hue + 60 * (1 - ink), 0, 255), np.ones((1, 2, 1)))
    return Image.fromarray(wide.astype(np.uint8)), "png", {}


def _photograph(grey: Grey, rng: np.random.Generator, label: int) -> _File:
    """Take a picture with a camera that was held in any way, and says so."""
    picture, _, _ = _coloured(grey, rng, label)
    orientation = int(rng.choice([*_HELD]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = _HELD[orientation]
    picture = picture if held is None else picture.transpose(held)
    return picture, "jpg", {"exif": exif, "quality": 92}


KINDS: dict[str, Draw] = {
    "white-on-black": _white_on_black,
    "black-on-white": _black_on_white,
    "small-black-on-white": _small_black_on_white,
    "clear-canvas": _on_clear_canvas,
    "sixteen-bits": _sixteen_bits,
    "small-on-sheet": _small_on_sheet,
    "coloured": _coloured,
    "photographs": _photograph,
}


def write_folders(
    root: Path, kind: str, parts: dict[str, tuple[Grey, NDArray[np.int64]]], seed: int = 0
) -> None:
    """Write digits as pictures of a kind.

    Args:
        root: A directory to be made.
        kind: Of KINDS.
        parts: Name of a folder -> images of shape (n, 28, 28), and their labels.
        seed: Of places and colours.
    """
    rng = np.random.default_rng(seed)
    for part, (images, labels) in parts.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            picture, end, options = KINDS[kind](image, rng, int(label))
            path = root / part / str(label) / f"{number}.{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, **options)
