"""Compressed bodies: what was compressed comes back, and what is malformed is told."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.http import content_encoding
from app.web.http.content_encoding import inflate
from app.web.http.errors import BadInputError

TEXT = b"a digit is small, and squeezed it is smaller; " * 40
SLICE = 256 * 2**10


def inflated(body: bytes, coding: str = "gzip") -> bytes:
    return b"".join(inflate(body, coding))


def with_dictionary() -> bytes:
    compressor = zlib.compressobj(zdict=b"a digit")
    return compressor.compress(TEXT) + compressor.flush()


def refusal(body: bytes, coding: str = "gzip") -> str:
    with pytest.raises(BadInputError) as caught:
        inflated(body, coding)
    return str(caught.value)


@settings(max_examples=30)
@given(
    parts=st.lists(st.binary(max_size=300) | st.integers(0, 3 * SLICE).map(bytes), max_size=4),
    taken=st.sampled_from([1, 7, 64 * 2**10]),
)
def test_what_was_compressed_comes_back(parts, taken):
    """However it is cut, and from several members of one file."""
    body = b"".join(map(gzip.compress, parts)) or gzip.compress(b"")
    original, content_encoding._TAKEN_BYTES = content_encoding._TAKEN_BYTES, taken
    try:
        assert b"".join(parts) == inflated(body)
    finally:
        content_encoding._TAKEN_BYTES = original


def test_what_does_not_shrink_comes_back():
    """It is longer than what is taken at a time."""
    noise = np.random.default_rng(1).bytes(SLICE)

    assert noise == inflated(zlib.compress(noise), "deflate")


def test_it_comes_in_slices():
    """So that whoever takes them can stop: this would be 64 MiB."""
    pieces = inflate(gzip.compress(bytes(2**26)), "gzip")

    assert [SLICE] * 3 == [len(next(pieces)) for _ in range(3)]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_cut_off_is_refused(coding):
    """Wherever it is."""
    whole = gzip.compress(TEXT, mtime=0) if coding == "gzip" else zlib.compress(TEXT)
    for length in range(len(whole)):
        expected = f"the body is cut off: {length} bytes of {coding} have no end"
        assert expected == refusal(whole[:length], coding)


@pytest.mark.parametrize(
    ("body", "coding", "sentence"),
    [
        (TEXT, "gzip", "Content-Encoding is gzip, and the body is not: incorrect header check"),
        (TEXT, "deflate", "Content-Encoding is deflate, and the body is not: incorrect header"),
        (zlib.compress(TEXT), "gzip", "incorrect header check"),
        (gzip.compress(TEXT, mtime=0), "deflate", "incorrect header check"),
        (gzip.compress(TEXT, mtime=0)[:-4] + b"\0" * 4, "gzip", "incorrect length check"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "gzip", "incorrect data check"),
        (zlib.compress(TEXT)[:-1] + b"\0", "deflate", "incorrect data check"),
        (with_dictionary(), "deflate", "the body is not: it needs a dictionary"),
        (
            gzip.compress(TEXT, mtime=0) + b"more",
            "gzip",
            "bytes that are not gzip follow the end of",
        ),
        (
            gzip.compress(TEXT, mtime=0) + b"\0" * 9,
            "gzip",
            "bytes that are not gzip follow the end of",
        ),
        (zlib.compress(TEXT) * 2, "deflate", "extra bytes follow the end of the body's deflate"),
    ],
)
def test_what_is_malformed_is_refused(body, coding, sentence):
    """With what is wrong."""
    assert sentence in refusal(body, coding)


def test_members_are_bounded():
    """Empty ones would cost much and yield nothing."""
    member = gzip.compress(b"")

    assert b"" == inflated(member * 1024)
    assert "the body is of more than 1024 gzip members; at most" in refusal(member * 1025)
