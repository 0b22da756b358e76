"""Images of one request, and their encoding."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import httpx
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Body(NamedTuple):
    """Body of a request."""

    content: bytes
    media_type: str


class Batch(Protocol):
    """Images of one request."""

    def __len__(self) -> int:
        """Return the number of images."""

    def part(self, start: int, end: int) -> Batch:
        """Return some of several images."""

    def body(self) -> Body:
        """Return them encoded."""


class Pixels:
    """Images of one shape, pixel for pixel."""

    def __init__(self, array: NDArray[np.uint8], count: int) -> None:
        """Hold an array; a single image may lack the axis of the images."""
        self._array = array
        self._count = count

    def __len__(self) -> int:
        """Return the number of images."""
        return self._count

    def part(self, start: int, end: int) -> Self:
        """Return some of several images."""
        part = self._array[start:end]
        return type(self)(part, len(part))

    def body(self) -> Body:
        """Return them as npy: a byte a pixel, and the shape."""
        stream = io.BytesIO()
        array = np.ascontiguousarray(self._array)
        np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
        return Body(stream.getvalue(), "application/x-npy")


class PictureFile(NamedTuple):
    """The bytes of a PNG, JPEG, WebP or BMP file."""

    name: str
    content: bytes
    media_type: str


class Pictures:
    """Picture files, as they are."""

    def __init__(self, files: Sequence[PictureFile]) -> None:
        """Hold at least one."""
        self._files = files

    def __len__(self) -> int:
        """Return their number."""
        return len(self._files)

    def part(self, start: int, end: int) -> Self:
        """Return some of them."""
        return type(self)(self._files[start:end])

    def body(self) -> Body:
        """Return one as it is, several as a form."""
        if len(self._files) == 1:
            [file] = self._files
            return Body(file.content, file.media_type)
        form = httpx.Request("POST", "http://form", files=[("image", file) for file in self._files])
        return Body(form.read(), form.headers["Content-Type"])
