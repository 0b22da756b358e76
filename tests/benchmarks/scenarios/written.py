"""Images written in every way that a request may have them."""

from __future__ import annotations

import base64
import io
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson
from PIL import Image

from tests.benchmarks.scenarios.wire import JSON, RAW

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Write = Callable[[NDArray[np.uint8]], bytes]
    """Takes (n, rows, columns)."""

NPY = "application/x-npy"
_EDGE = "----------edge"
_NUMBERS = ("u1", "i2", ">u2", "<i4", ">i8", "<f2", "<f4", ">f8")


class Way(NamedTuple):
    """One way to write images."""

    name: str
    content_type: str
    write: Write
    many: bool = True
    """Whether a body can have more than one."""
    exact: bool = True
    """Whether every pixel is as it was."""


def ways() -> list[Way]:
    """Return all ways; the others are compared with the first."""
    json_ways = [
        Way("JSON, rows", JSON, _as_json),
        Way("JSON, flat", JSON, lambda x: _as_json(x.reshape(len(x), -1))),
        Way("JSON, rows x columns x 1", JSON, lambda x: _as_json(x[..., np.newaxis])),
        Way("JSON, 255.0", JSON, lambda x: _as_json(x.astype(np.float64))),
        Way("JSON, base64 of pixels", JSON, partial(_as_base64, np.ndarray.tobytes)),
        Way("JSON, base64 of PNG", JSON, partial(_as_base64, partial(as_picture, "png"))),
    ]
    arrays = [
        Way("octet-stream", RAW, np.ndarray.tobytes),
        *(Way(f"npy, {kind}", NPY, partial(_as_array, kind)) for kind in _NUMBERS),
        Way("npy, column-major", NPY, lambda x: _npy(np.asfortranarray(x))),
        Way("npy, flat", NPY, lambda x: _npy(x.reshape(len(x), -1))),
        Way("npy, rows x columns x 1", NPY, lambda x: _npy(x[..., np.newaxis])),
    ]
    form = f"multipart/form-data; boundary={_EDGE}"
    return json_ways + arrays + _pictures() + [Way("multipart, PNG", form, _as_form)]


def _pictures() -> list[Way]:
    def way(name: str, kind: str, exact: bool = True, mode: str = "L", **options: object) -> Way:  # noqa: FBT001, FBT002
        def write(images: NDArray[np.uint8]) -> bytes:
            return as_picture(kind, images[0], mode, **options)

        return Way(name, f"image/{kind}", write, many=False, exact=exact)

    return [
        way("PNG, grey", "png"),
        way("PNG, RGB", "png", mode="RGB"),
        way("PNG, RGBA", "png", mode="RGBA"),
        way("PNG, palette", "png", mode="P"),
        way("WebP, lossless", "webp", mode="RGB", lossless=True),
        way("BMP, grey", "bmp"),
        way("BMP, RGB", "bmp", mode="RGB"),
        way("JPEG, quality 90", "jpeg", exact=False, quality=90),
    ]


def as_picture(kind: str, image: NDArray[np.uint8], mode: str = "L", **options: object) -> bytes:
    """Write one image as a picture's file."""
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, **options)
    return file.getvalue()


def _as_json(images: NDArray[np.generic]) -> bytes:
    return orjson.dumps(
        {"instances": np.ascontiguousarray(images)}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def _as_base64(write: Callable[[NDArray[np.uint8]], bytes], images: NDArray[np.uint8]) -> bytes:
    files = [base64.b64encode(write(image)).decode() for image in images]
    return orjson.dumps({"instances": [{"b64": file} for file in files]})


def _as_array(kind: str, images: NDArray[np.uint8]) -> bytes:
    return _npy(images.astype(kind))


def _npy(array: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _as_form(images: NDArray[np.uint8]) -> bytes:
    return as_form([as_picture("png", image) for image in images])


def as_form(files: list[bytes], disposition: str = 'name="image"; filename="digit.png"') -> bytes:
    """Write a form of `multipart/form-data; boundary=----------edge`."""
    head = f"--{_EDGE}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{_EDGE}--\r\n".encode()
