"""Bodies that are no JSON: raw pixels, arrays, forms, and what is compressed."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import TYPE_CHECKING

import numpy as np

from app.web.http.content_encoding import CODINGS
from app.web.http.held_bodies import held_bodies
from app.web.http.request_body import read_body
from app.web.inputs.multipart import decode_form
from app.web.inputs.npy import decode_npy
from app.web.inputs.raw import decode_raw_pixels
from tests.benchmarks.fuzz.documents import (
    MOST_IMAGES,
    AnyPictures,
    check_pixels,
    of_any_shape,
)
from tests.benchmarks.fuzz.mutation import change_bytes, within
from tests.benchmarks.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_MOST_HEADER_BYTES = 8190
"""gunicorn refuses longer ones."""
_MOST_INFLATED = 128 * 2**10


def _raw(data: bytes, shape: tuple[int, int, int]) -> None:
    images = decode_raw_pixels(data, shape, MOST_IMAGES)
    check_pixels(images.rows, images.pixels, shape)
    assert images.pixels == data


def _npy(data: bytes, shape: tuple[int, int, int]) -> None:
    images = decode_npy(data, shape, MOST_IMAGES, AnyPictures(shape))
    check_pixels(images.rows, images.pixels, shape)
    if images.notes is None:
        array = np.load(io.BytesIO(data), allow_pickle=False)
        assert array.astype(np.uint8).tobytes() == images.pixels


def _npy_seeds() -> list[bytes]:
    arrays = [
        np.arange(6, dtype=np.uint8).reshape(3, 2),
        np.arange(12, dtype=np.uint8).reshape(2, 3, 2, 1),
        np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3),
        np.arange(18, dtype=">i8").reshape(3, 6),
        np.asfortranarray(np.arange(12, dtype=np.float16).reshape(2, 6)),
        np.zeros((5, 7, 3), np.uint8),
    ]
    return [_as_npy(array) for array in arrays]


def _as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npy_header(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the header's text; its length is written again when it is changed."""
    end = 10 + int.from_bytes(data[8:10], "little")
    rest = data[end:]
    return data[
        10:end
    ], lambda text: data[:8] + min(len(text), 65535).to_bytes(2, "little") + text + rest


def _npy_data(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the numbers; their count never changes."""
    end = 10 + int.from_bytes(data[8:10], "little")
    size = len(data) - end
    return data[end:], lambda content: data[:end] + content[:size].ljust(size, b"\0")


def _another_array(rng: Random, _data: bytes) -> bytes:
    """Make an array of a shape and type that may or may not do."""
    shape = rng.choice(
        ((3, 2), (6,), (2, 6), (1, 3, 2), (2, 2, 3), (1, 2, 2, 3), (0, 6), (9, 4, 4))
    )
    dtype = rng.choice(("u1", "<i2", ">u4", "<i8", "<f2", ">f8", "?", "<c8", "S3", "<M8[s]", "V4"))
    array = np.frombuffer(rng.randbytes(1024 * 8), dtype)[: int(np.prod(shape))].reshape(shape)
    return _as_npy(np.asfortranarray(array) if rng.random() < 1 / 4 else array)


def _form(data: bytes, shape: tuple[int, int, int]) -> None:
    """Decode a form behind a line that stands for the header Content-Type."""
    content_type, body = _headed(data)
    images = decode_form(body, content_type, MOST_IMAGES, AnyPictures(shape))
    check_pixels(images.rows, images.pixels, shape)


def _headed(data: bytes) -> tuple[str, bytes]:
    """Separate the first line, which stands for a header, from the body."""
    header, _, body = data.partition(b"\n")
    return header[:_MOST_HEADER_BYTES].decode("latin-1"), body


_PART = b'--%b\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n%b\r\n%b\r\n'
_FORM_WORDS = (
    *(
        b"--b",
        b"\r\n--b\r\n",
        b"\r\n--b--\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"; filename*=UTF-8''%ff",
    ),
    *(b'; name="', b"Content-Transfer-Encoding: base64\r\n", b"boundary=", b'"', b"\\", b";"),
)


def _form_seeds() -> list[bytes]:
    seeds = []
    for boundary in (b"b", b"----------edge", b"x" * 70):
        parts = [
            _PART % (boundary, b"a.png", b"Content-Type: image/png\r\n", bytes(range(40))),
            _PART % (boundary, b"", b"", b""),
            _PART
            % (boundary, "\u00fc.bmp".encode(), b"X-Long: " + b"y" * 99 + b"\r\n", b"\r\n-\r\n--"),
        ]
        seeds += [
            b"multipart/form-data; boundary=%b\n%b--%b--\r\n" % (boundary, b"".join(some), boundary)
            for some in (parts[:1], parts)
        ]
    return seeds


def _files_of_form(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the content of the first file."""
    start = data.index(b"\r\n\r\n") + 4
    end = data.index(b"\r\n--", start)
    return data[start:end], lambda content: data[:start] + content + data[end:]


def _compressed(data: bytes) -> None:
    """Read a body behind a line that stands for the header Content-Encoding."""
    coding, body = _headed(data)
    environ = {
        "HTTP_CONTENT_ENCODING": coding,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    try:
        content = read_body(environ, _MOST_INFLATED)
        assert len(content) <= _MOST_INFLATED
        name = coding.strip().lower()
        if name in CODINGS:
            assert content == _inflated(body, name)
    finally:
        held_bodies.release(environ)


def _inflated(body: bytes, coding: str) -> bytes:
    return zlib.decompress(body) if coding == "deflate" else gzip.decompress(body)


def _compressed_seeds() -> list[bytes]:
    text = json.dumps({"instances": [[[0] * 28] * 28]}).encode()
    return [
        b"gzip\n" + gzip.compress(text),
        b"x-gzip\n" + gzip.compress(text[:50]) + gzip.compress(text[50:]),
        b"deflate\n" + zlib.compress(text),
        b"gzip\n" + gzip.compress(bytes(_MOST_INFLATED)),
        b"gzip\n" + gzip.compress(bytes(range(256)) * 9, 0),
        b"identity\n" + text,
    ]


def _content_of(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the compressed content."""
    coding, _, body = data.partition(b"\n")
    name = coding.decode()
    content = zlib.decompressobj(CODINGS[name]).decompress(body, _MOST_INFLATED)
    compress = zlib.compress if name == "deflate" else gzip.compress
    return content, lambda changed: coding + b"\n" + compress(changed)


def _another_member(rng: Random, data: bytes) -> bytes:
    """Let more members follow a gzip file, or make one that is too large."""
    content, wrap = _content_of(data)
    body = wrap(content[: rng.choice((0, 1, 1000))]).partition(b"\n")[2]
    if rng.random() < 1 / 50:
        return wrap(bytes(rng.choice((_MOST_INFLATED, _MOST_INFLATED + 1, 4 * _MOST_INFLATED))))
    return data + body * rng.choice((1, 1, 1, 3, 2000))


TARGETS = {
    "raw-pixels": Target(
        of_any_shape(_raw), lambda: [bytes(size) for size in (6, 12, 24, 96)], (), ()
    ),
    "npy": Target(
        of_any_shape(_npy),
        _npy_seeds,
        (within(_npy_header, change_bytes), within(_npy_data, change_bytes), _another_array),
        (
            b"'descr'",
            b"'shape'",
            b"'fortran_order'",
            b"True",
            b"(",
            b",",
            b")",
            b"'|O'",
            b"L",
            b"[",
            b"{",
        ),
    ),
    "form": Target(
        of_any_shape(_form), _form_seeds, (within(_files_of_form, change_bytes),), _FORM_WORDS
    ),
    "compressed": Target(
        _compressed,
        _compressed_seeds,
        (within(_content_of, change_bytes), _another_member),
        (b"gzip", b"deflate", b"\x1f\x8b\x08"),
    ),
}
