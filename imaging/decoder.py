"""Decodes picture files within bounds that are checked before a pixel is looked at."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imaging.containers import TAKEN_APART, Contents, orientation
from imaging.errors import MalformedPictureError, UnsupportedFormatError
from imaging.limits import check_cost, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

ENOUGH = 1024
"""Pixels on the longer side that show whatever a model of small images can see."""

_WEBP, _WEBP_HEADER_BYTES = slice(8, 12), 30
_PLUGINS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
}
_KINDS = "PNG, JPEG, WebP or BMP"
_STRANGERS = {
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"<": "SVG or XML",
}
_BMP_PLAIN = (0, 3)  # the others are decoded byte by byte, in Python
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIP_ROWS = 256
_BYTE = 255


def is_picture(body: bytes) -> bool:
    """Check whether a body begins as a picture does, be it of a kind that is not read."""
    return any(map(body.startswith, (*_PLUGINS, *_STRANGERS)))


def decode_picture(body: bytes, enough: int = ENOUGH) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, WebP or BMP file, told by its content.

    One that is more than twice as large as is enough comes out smaller; a JPEG is decoded small
    from the start. To decode it takes 128 MiB at most, beside two copies of the file and the
    picture that comes out.

    Args:
        body: The file.
        enough: Pixels on the longer side that the picture has at least, if it had so many.

    Returns:
        Shape (h, w, 4): red, green, blue, opacity; turned upright as its EXIF data say.

    Raises:
        MalformedPictureError: If it is empty, damaged, cut off or an animation.
        PictureTooLargeError: If it has too many pixels, or would take too much to decode.
        UnsupportedFormatError: If it is of another kind.
    """
    plugin = _plugin(body)
    take_apart = TAKEN_APART.get(plugin.format or "", Contents)
    contents = take_apart(body)
    with _damaged(plugin.format):
        image = plugin(io.BytesIO(contents.body))
    stated = image.size
    check_size(*stated)
    frames = max(contents.frames, getattr(image, "n_frames", 1))
    if frames != 1:
        raise MalformedPictureError(
            f"the picture is an animation of {frames} frames; one is expected"
        )
    if image.info.get("compression", 0) not in _BMP_PLAIN and isinstance(image, BmpImageFile):
        raise UnsupportedFormatError("the BMP picture is compressed; send it as a PNG")
    factor = max(1, max(stated) // enough)
    if factor > 1:
        image.draft(None, (stated[0] // factor or 1, stated[1] // factor or 1))
    check_cost(image, contents.scans, stated)
    with _damaged(plugin.format):
        image.load()
        small = _reduced(image, max(1, max(image.size) // enough))
    turn = _UPRIGHT.get(orientation(contents.exif or image.info.get("exif", b"")))
    return np.asarray(small if turn is None else small.transpose(turn))


def fit_array(pixels: NDArray[np.uint8], enough: int = ENOUGH) -> NDArray[np.uint8]:
    """Make a picture out of pixels that came without a file.

    Args:
        pixels: Shape (h, w) or (h, w, 1), grey; (h, w, 3) or (h, w, 4), coloured.
        enough: As of `decode_picture`.

    Raises:
        MalformedPictureError: If it is of another shape.
        PictureTooLargeError: If it has too many pixels.
    """
    rows, columns, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)  # noqa: PLR2004
    check_size(columns, rows)
    if channels not in (1, 3, 4):
        raise MalformedPictureError(f"the picture has {channels} channels; 1, 3 or 4 are expected")
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    return np.asarray(_reduced(image, max(1, max(rows, columns) // enough)))


def _plugin(body: bytes) -> type[ImageFile]:
    """Return the decoder of a file; check a WebP's size first, as its decoder takes memory."""
    plugin = next((p for magic, p in _PLUGINS.items() if body.startswith(magic)), None)
    if plugin is WebPImageFile:
        if body[_WEBP] != b"WEBP":
            plugin = None
        elif size := _webp_size(body):
            check_size(*size)
    if plugin is None:
        raise _unrecognized(body)
    return plugin


@contextlib.contextmanager
def _damaged(kind: str | None) -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # decoders raise what they please on damaged bytes
        raise MalformedPictureError(f"the {kind} picture is damaged or cut off") from exc


def _unrecognized(body: bytes) -> MalformedPictureError | UnsupportedFormatError:
    if not body:
        return MalformedPictureError(f"the picture is empty; {_KINDS} is expected")
    name = next((name for magic, name in _STRANGERS.items() if body.startswith(magic)), None)
    if body[4:8] == b"ftyp":
        name = "HEIC or AVIF"
    found = f"is {name}" if name else f"starts with {body[:8].hex(' ')}"
    return UnsupportedFormatError(f"the picture {found}; {_KINDS} is expected")


def _webp_size(body: bytes) -> tuple[int, int] | None:
    """Read a WebP's size; None where its header is of no known form, which no decoder takes."""
    if len(body) < _WEBP_HEADER_BYTES:
        return None
    if body[12:16] == b"VP8X":
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    if body[12:16] == b"VP8L":
        bits = int.from_bytes(body[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if body[12:16] == b"VP8 ":
        sides = int.from_bytes(body[26:28], "little"), int.from_bytes(body[28:30], "little")
        return sides[0] & 0x3FFF, sides[1] & 0x3FFF
    return None


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Convert to RGBA, each pixel the mean of factor x factor, in strips.

    There is no copy as large as the image, and other threads get their turn.
    """
    width, height = image.size
    shift = _shift(image)
    if factor == 1 and height <= _STRIP_ROWS:
        return _rgba(image, shift)
    small = Image.new("RGBA", (-(-width // factor), -(-height // factor)))
    rows = max(1, _STRIP_ROWS // factor) * factor
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        small.paste(_rgba(strip, shift).reduce(factor), (0, top // factor))
    return small


def _shift(image: Image.Image) -> int:
    """Return how many bits too wide the values are; some programs keep 8 bits in 16."""
    if not image.mode.startswith("I"):
        return 0
    _, highest = image.getextrema()
    return 8 if isinstance(highest, float | int) and highest > _BYTE else 0


def _rgba(image: Image.Image, shift: int) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray((np.asarray(image) >> shift).astype(np.uint8))
    return image if image.mode == "RGBA" else image.convert("RGBA")
