"""Accepts images in many forms, and cuts them into batches for one request each."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from glyph_client.batches import Batch, PictureFile, Pictures, Pixels
from glyph_client.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture = str | os.PathLike[str] | bytes | Image
    """A path, the bytes of a PNG, JPEG, WebP or BMP file, or a PIL image."""
    Whole = np.dtype[np.integer[Any] | np.floating[Any]]
    Flat = np.ndarray[tuple[int], Whole] | np.ndarray[tuple[int, int], Whole]
    Stack = np.ndarray[tuple[int, int, int, int], Whole]
    Either = np.ndarray[tuple[int, int, int], Whole]
    """One image with channels, or many; and an array whose type has no number of dimensions."""
    Rows = Sequence[Sequence[int]]
    One = Picture | Flat | Rows | Sequence[int]
    """One image."""
    Many = Stack | Iterable[Picture | NDArray[Any]] | Sequence[Rows]
    """Many images."""

_MAX_BYTES = 4 * 2**20  # half of what a service takes unless told otherwise
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
_MAX_PIXEL = 255
_NDIM_WITH_CHANNELS = 3
"""Dimensions of one image that has channels."""
_CHANNELS = (1, 3, 4)
_NUMBERS = (int, float, np.integer, np.floating)


def numbered(batches: Iterator[Batch]) -> Iterator[tuple[int, Batch]]:
    """Yield the number of each batch's first image, and the batch."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)


def read_images(images: object, limit: Callable[[], int]) -> tuple[bool, Iterator[Batch]]:
    """Return the images of a caller in batches.

    Args:
        images: One image or many. A picture is a path, the bytes of a file or a PIL image. An array
            or a nested list of one or two dimensions is one image, and so is one of three whose
            last has 1, 3 or 4 (channels); else it is many.
        limit: Returns the most images of a batch, whenever one is cut.

    Returns:
        True if it is one image; and the batches, read one by one, so that they need not all be in
        memory.

    Raises:
        ImageError: If it is not an image. The batches raise it, too, and OSError for a file.
    """
    if _is_picture(images):
        return True, iter([Pictures([_read_picture(images)])])
    if isinstance(images, np.ndarray) or _is_nested(images):
        array = _as_pixels(images)
        if _is_one(array):
            return True, iter([Pixels(array, 1)])
        return False, _cut_array(array, limit)
    if not isinstance(images, Iterable):
        raise _no_image(images)
    return False, _cut_items(images, limit)


def _is_one(array: NDArray[Any]) -> bool:
    with_channels = array.ndim == _NDIM_WITH_CHANNELS and array.shape[-1] in _CHANNELS
    return array.ndim < _NDIM_WITH_CHANNELS or with_channels


def _cut_array(array: NDArray[np.uint8], limit: Callable[[], int]) -> Iterator[Batch]:
    start, most = 0, max(1, _MAX_BYTES // array[0].nbytes)
    while start < len(array):
        part = array[start : start + min(most, limit())]
        yield Pixels(part, len(part))
        start += len(part)


def _cut_items(items: Iterable[object], limit: Callable[[], int]) -> Iterator[Batch]:
    """Yield batches of neighbours of the same kind."""
    batch: list[Any] = []
    size, kind = 0, object()
    for item in items:
        if _is_picture(item):
            image: PictureFile | NDArray[np.uint8] = _read_picture(item)
        else:
            image = _as_pixels(item)
        bytes_, kind_of_item = _measure(image)
        full = len(batch) >= limit() or size + bytes_ > _MAX_BYTES
        if batch and (full or kind != kind_of_item):
            yield _batch(batch)
            batch, size = [], 0
        batch.append(image)
        size, kind = size + bytes_, kind_of_item
    if batch:
        yield _batch(batch)


def _measure(image: PictureFile | NDArray[np.uint8]) -> tuple[int, object]:
    """Return the bytes of an image, and a key that images of one batch share."""
    if isinstance(image, PictureFile):
        return len(image.content), "picture"
    return image.nbytes, image.shape


def _batch(images: list[Any]) -> Batch:
    if isinstance(images[0], PictureFile):
        return Pictures(images)
    return Pixels(np.stack(images), len(images))


def _as_pixels(images: object) -> NDArray[np.uint8]:
    if not isinstance(images, np.ndarray) and not _is_nested(images):
        raise _no_image(images)
    try:
        array = np.asarray(images)
    except (ValueError, TypeError) as exc:
        raise ImageError(
            f"a nested list of numbers, all rows of one length, is expected: {exc}"
        ) from exc
    if array.ndim == 0 or array.size == 0:
        raise ImageError(f"an array of shape {array.shape} holds no image")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of {array.dtype}; whole numbers from 0 to 255 are expected")
    pixels = array.astype(np.uint8) if _fits(array) else None
    if pixels is None or not np.array_equal(pixels, array):
        low, high = array.min(), array.max()
        advice = "; scale them by 255 and round" if low >= 0 and high <= 1 else ""
        raise ImageError(
            f"{array.dtype} from {low:g} to {high:g}, not all of them whole numbers from 0 to 255"
            + advice
        )
    return pixels


def _fits(array: NDArray[Any]) -> bool:
    return bool(array.min() >= 0 and array.max() <= _MAX_PIXEL)  # not with a NaN either


def _is_nested(images: object) -> bool:
    """Return True for numbers in lists, however deep."""
    while isinstance(images, (list, tuple)) and images:
        images = images[0]
    return isinstance(images, _NUMBERS)


def _is_picture(image: object) -> TypeGuard[Picture]:
    return isinstance(image, (str, bytes, os.PathLike)) or _is_pil(image)


def _is_pil(image: object) -> TypeGuard[Image]:
    pillow = sys.modules.get("PIL.Image")  # a caller with such an image has imported it
    return pillow is not None and isinstance(image, pillow.Image)


def _read_picture(picture: Picture) -> PictureFile:
    if isinstance(picture, bytes):
        name, content = "picture", picture
    elif isinstance(picture, (str, os.PathLike)):
        path = Path(picture)
        name, content = path.name, path.read_bytes()
    else:
        name, content = "picture.png", _as_png(picture)
    media_type = _media_type(content)
    if media_type is None:
        raise ImageError(
            f"{name} begins with {content[:8]!r}; a PNG, JPEG, WebP or BMP file is expected"
        )
    return PictureFile(name, content, media_type)


def _as_png(image: Image) -> bytes:
    from PIL import ImageOps  # noqa: PLC0415 - only its callers have it

    upright = ImageOps.exif_transpose(image)
    if upright.mode not in _PNG_MODES:
        upright = upright.convert("RGB")
    stream = io.BytesIO()
    upright.save(stream, "PNG", compress_level=1)  # fast rather than small
    return stream.getvalue()


def _media_type(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "image/bmp" if content.startswith(b"BM") else None


def _no_image(found: object) -> ImageError:
    return ImageError(
        f"{type(found).__name__} is no image; an array, a nested list of numbers, a PIL image, "
        "a path or the bytes of a picture file is expected"
    )
