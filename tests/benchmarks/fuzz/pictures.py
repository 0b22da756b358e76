"""Picture files: decoded, taken as they are, and prepared."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imaging.decoder import decode_picture
from imaging.preparation import Preparation, usual, without_exception
from imaging.prepared import NOTES
from imaging.reading import prepare
from tests.benchmarks.fuzz.mutation import change_bytes, within
from tests.benchmarks.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_SHAPES = ((28, 28, 1), (8, 6, 3))
_GROWTH_MIB = 192
"""A decoder may have 128 MiB; what it gives, and the bytes that it reads, come on top."""
_PNG_HEAD = 8


def _decode(data: bytes) -> None:
    picture = decode_picture(data)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 4
    for shape in _SHAPES:
        own = usual(shape[2])
        stretched = Preparation("fit", background=(9, 99, 255), keep_aspect=False, invert=True)
        for preparation in (own, without_exception(own, shape[2]), stretched):
            prepared = prepare(picture, shape, preparation)
            assert len(prepared.pixels) == int(np.prod(shape))
            assert {*prepared.notes} <= {*NOTES}


def _drawings() -> Iterator[Image.Image]:
    """Return small pictures of every kind: grey, coloured, with few colours, transparent, blank."""
    grid = np.mgrid[0:40, 0:30]
    ring = (np.hypot(grid[0] - 18, grid[1] - 15) // 4 == 2).astype(np.uint8) * 255
    for mode in ("L", "RGB", "RGBA", "P", "1", "LA"):
        yield Image.fromarray(ring).convert(mode)
    yield Image.fromarray(255 - ring[:28, :28])
    yield Image.new("RGB", (28, 28), "white")


def _seeds(form: str, modes: str = "L RGB", **options: object) -> list[bytes]:
    seeds = []
    for image in _drawings():
        if image.mode in modes.split():
            file = io.BytesIO()
            image.save(file, form, **options)
            seeds.append(file.getvalue())
    return seeds


def _png_seeds() -> list[bytes]:
    wide = io.BytesIO()
    Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30)).save(wide, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        *_seeds("PNG", "L RGB RGBA P 1 LA", exif=exif),
        wide.getvalue(),
        *_seeds("PNG", "P", transparency=0),
    ]


def _jpeg_seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 8
    return [
        *_seeds("JPEG", quality=80, exif=exif),
        *_seeds("JPEG", progressive=True),
        *_seeds("JPEG", "RGB", subsampling=2, restart_marker_blocks=2),
    ]


def _webp_seeds() -> list[bytes]:
    return [*_seeds("WEBP", "RGB RGBA"), *_seeds("WEBP", "RGB RGBA", lossless=True)]


def _bmp_seeds() -> list[bytes]:
    return _seeds("BMP", "L RGB RGBA P 1")


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, start = [], _PNG_HEAD
    while start + 12 <= len(data):
        length = int.from_bytes(data[start : start + 4])
        chunks.append((data[start + 4 : start + 8], data[start + 8 : start + 8 + length]))
        start += 12 + length
    return chunks


def _png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    head = b"\x89PNG\r\n\x1a\n"
    return head + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _change_chunk(rng: Random, data: bytes) -> bytes:
    """Change what a chunk of a PNG says, with a right checksum."""
    chunks = _chunks(data)
    place = rng.randrange(len(chunks))
    kind, content = chunks[place]
    chunks[place] = kind, change_bytes(rng, content)
    return _png_of(chunks)


def _change_scanlines(rng: Random, data: bytes) -> bytes:
    """Change pixels of a PNG, or the filters of its lines."""
    chunks = _chunks(data)
    place = next(i for i, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    lines = zlib.decompressobj().decompress(chunks[place][1], 2**20)
    chunks[place] = b"IDAT", zlib.compress(change_bytes(rng, lines), 1)
    return _png_of(chunks)


_KINDS = (b"IHDR", b"PLTE", b"tRNS", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"iCCP", b"acTL", b"fcTL")
_KINDS += (b"fdAT", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"IDAT", b"IEND")


def _move_chunk(rng: Random, data: bytes) -> bytes:
    """Let a chunk of a PNG be missing, stand twice or elsewhere, or be of another kind."""
    chunks = _chunks(data)
    place = rng.randrange(len(chunks))
    change = rng.randrange(4)
    if change == 0:
        del chunks[place]
    elif change == 1:
        chunks.insert(rng.randrange(len(chunks)), chunks[place])
    elif change == 2:
        chunks[place] = rng.choice(_KINDS), chunks[place][1]
    else:
        text = b"key\0\0" + zlib.compress(bytes(rng.choice((10, 10**5, 10**7))))
        chunks.insert(1, (rng.choice(_KINDS), rng.choice((text, rng.randbytes(26)))))
    return _png_of(chunks)


def _without_head(size: int) -> Callable[[bytes], tuple[bytes, Callable[[bytes], bytes]]]:
    return lambda data: (data[size:], lambda changed: data[:size] + changed)


def _only_head(size: int) -> Callable[[bytes], tuple[bytes, Callable[[bytes], bytes]]]:
    return lambda data: (data[:size], lambda changed: changed[:size] + data[size:])


def _within_scan(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the bytes after the last header of a JPEG: the coded pixels."""
    start = data.rindex(b"\xff\xda") + 12
    return data[start:], lambda changed: data[:start] + changed


def _target(
    seeds: Callable[[], list[bytes]], *mutators: object, words: tuple[bytes, ...] = ()
) -> Target:
    return Target(_decode, seeds, mutators, words, _GROWTH_MIB)  # type: ignore[arg-type]


TARGETS = {
    "png": _target(_png_seeds, _change_chunk, _change_scanlines, _move_chunk, words=_KINDS),
    "jpeg": _target(
        _jpeg_seeds,
        within(_within_scan),
        within(_without_head(4)),
        words=tuple(
            bytes([0xFF, marker])
            for marker in (0xC0, 0xC2, 0xC4, 0xD0, 0xD9, 0xDA, 0xDB, 0xDD, 0xE1)
        ),
    ),
    "webp": _target(
        _webp_seeds,
        within(_without_head(30)),
        within(_without_head(12)),
        words=(b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"EXIF"),
    ),
    "bmp": _target(_bmp_seeds, within(_only_head(54)), within(_without_head(54)), words=(b"BM",)),
}
