"""Request bodies: what compressed them is taken off, and nothing is held without a bound."""

from __future__ import annotations

import gzip
import io
import json
import zlib

import pytest

from app.web.bodies import read_body
from app.web.errors import OverloadedError
from app.web.observing import ENDED

STAR = json.dumps({"instances": [[[2, 0], [0, 255]]]}).encode()
MIB = 2**20


@pytest.fixture
def post(client):
    """Give a function that posts a compressed body as JSON."""

    def run(data, coding, **options):
        headers = {"Content-Encoding": coding}
        options.setdefault("content_type", "application/json")
        return client.post("/predict", data=data, headers=headers, **options)

    return run


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_compressed_body_is_read(post, coding, compress):
    """As if it had come as it is."""
    response = post(compress(STAR), coding)

    assert 200 == response.status_code
    assert "star" == response.json["predictions"][0]["label"]


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/json"])
def test_any_kind_may_be_compressed(post, content_type):
    """The Content-Type names what is inside."""
    data = STAR if content_type == "application/json" else bytes([2, 0, 0, 255])

    assert 200 == post(gzip.compress(data), "gzip", content_type=content_type).status_code


def test_a_compressed_body_in_chunks_is_read(post):
    """A length need not be announced."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    assert 200 == post(gzip.compress(STAR), "gzip", environ_overrides=environ).status_code


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x" * 200])
def test_another_coding_is_refused(post, channel, coding):
    """What was found and what is expected, in the header that HTTP has for it as well."""
    response = post(STAR, coding)

    assert 415 == response.status_code
    expected = f"Content-Encoding is {coding[:40]}; gzip or deflate is expected"
    assert {"error": expected} == response.json
    assert "gzip, deflate" == response.headers["Accept-Encoding"]
    assert [] == channel.asked


def test_a_body_that_is_not_compressed_is_refused(post):
    """Though it says that it is."""
    response = post(STAR, "gzip")

    assert 400 == response.status_code
    expected = "Content-Encoding is gzip, and the body is not: incorrect header check"
    assert {"error": expected} == response.json


def test_a_body_that_inflates_over_the_bound_is_refused(post):
    """However few bytes it came as."""
    response = post(gzip.compress(bytes(1025)), "gzip", content_type="application/octet-stream")

    assert 413 == response.status_code
    assert {
        "error": "the body is larger than 1024 bytes once inflated; send fewer images per request",
        "limit": 1024,
    } == response.json


def test_a_body_that_inflates_to_the_bound_is_read(post):
    """The bound itself is within it."""
    assert 200 == post(gzip.compress(STAR.ljust(1024)), "gzip").status_code


def environ(size: int) -> dict:
    """Make what is known of a request whose body inflates to so many bytes."""
    data = zlib.compress(bytes(size))
    return {"HTTP_CONTENT_ENCODING": "deflate", "wsgi.input": io.BytesIO(data)}


def test_inflated_bodies_are_bounded_together():
    """A few KiB of each of many callers could be gigabytes; whoever is answered makes room."""
    requests = [environ(30 * MIB) for _ in range(2)]
    for one in requests:
        assert 30 * MIB == len(read_body(one, 1, 40 * MIB))

    third = environ(5 * MIB)
    with pytest.raises(OverloadedError, match=f"inflated bodies of {64 * MIB} bytes are being"):
        read_body(third, 1, 40 * MIB)

    for one in (third, requests[0]):
        one[ENDED](one)
    fourth = environ(5 * MIB)
    assert 5 * MIB == len(read_body(fourth, 1, 40 * MIB))
    for one in (requests[1], fourth):
        one[ENDED](one)


def test_one_inflated_body_may_be_of_any_size():
    """The bound on a body is another setting."""
    large = environ(70 * MIB)

    assert 70 * MIB == len(read_body(large, 1, 80 * MIB))
    large[ENDED](large)


def test_an_answered_request_holds_nothing(post):
    """However it was answered."""
    for _ in range(3):
        post(gzip.compress(STAR), "gzip")
        post(gzip.compress(bytes(1000)), "gzip")
    alone = environ(70 * MIB)

    assert 70 * MIB == len(read_body(alone, 1, 80 * MIB))
    alone[ENDED](alone)
