"""Raw pixels are nothing but pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.web.http.errors import BadInputError
from app.web.inputs.raw import decode_raw_pixels

pytestmark = pytest.mark.unit

SHAPE = (28, 28, 1)


def file(form: str) -> bytes:
    """Write a file of a whole number of images' length."""
    written = io.BytesIO()
    if form == "NPY":
        np.save(written, np.zeros((28, 28), np.uint8))
    else:
        Image.new("L", (300, 300), 7).save(written, form)
    size = len(written.getvalue())
    return written.getvalue() + bytes(-size % 784)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("PNG", "the body begins as a PNG file; pixels are expected: send it as image/png"),
        ("JPEG", "the body begins as a JPEG file; pixels are expected: send it as image/jpeg"),
        ("WEBP", "the body begins as a WebP file; pixels are expected: send it as image/webp"),
        ("GIF", "the body begins as a GIF file; pixels are expected: send it as image/gif"),
        ("NPY", "the body begins as a NumPy file; pixels are expected: send it as application/x-n"),
    ],
)
def test_a_file_is_no_pixels(form, sentence):
    """Its length may be right by chance, and its answer would be sure and wrong."""
    with pytest.raises(BadInputError, match=sentence):
        decode_raw_pixels(file(form), SHAPE, 1024)


@pytest.mark.parametrize("first", [b"", b"BM", b"<", b"\xff\xd8\xff\0", b"GIF", b"RIFF"])
def test_pixels_may_begin_as_they_like(first):
    body = first.ljust(784, b"\x07")
    assert (1, body, None) == decode_raw_pixels(body, SHAPE, 1024)
