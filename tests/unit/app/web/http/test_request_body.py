"""Request bodies: what compressed them is taken off, and nothing is held without a bound."""

from __future__ import annotations

import gzip
import io
import json
import zlib

import pytest

from app.web.http.errors import OverloadedError, SlowBodyError
from app.web.http.held_bodies import held_bodies
from app.web.http.request_body import FailedBody, read_body

STAR = json.dumps({"instances": [[[2, 0], [0, 255]]]}).encode()
MIB = 2**20


@pytest.fixture
def post(client):
    """Return a function that posts a compressed body as JSON."""

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
    assert {"error": expected, "code": "body.content_encoding"} == response.json
    assert "gzip, deflate" == response.headers["Accept-Encoding"]
    assert [] == channel.asked


def test_a_body_that_is_not_compressed_is_refused(post):
    """Though it says that it is."""
    response = post(STAR, "gzip")

    assert 400 == response.status_code
    expected = "Content-Encoding is gzip, and the body is not: incorrect header check"
    assert {"error": expected, "code": "body.compression"} == response.json


def test_a_body_that_inflates_over_the_bound_is_refused(post):
    """However few bytes it came as."""
    response = post(gzip.compress(bytes(1025)), "gzip", content_type="application/octet-stream")

    assert 413 == response.status_code
    assert {
        "error": "the body is larger than 1024 bytes once inflated; send fewer images per request",
        "code": "body.too_large",
        "limit": 1024,
    } == response.json


def test_a_body_that_inflates_to_the_bound_is_read(post):
    """The bound itself is within it."""
    assert 200 == post(gzip.compress(STAR.ljust(1024)), "gzip").status_code


def inflating(size: int) -> dict:
    """Make what is known of a request whose body inflates to so many bytes."""
    data = zlib.compress(bytes(size))
    return {"HTTP_CONTENT_ENCODING": "deflate", "wsgi.input": io.BytesIO(data)}


def arriving(size: int) -> dict:
    """Make what is known of one whose body of so many bytes came after its head."""
    return {"CONTENT_LENGTH": str(size), "wsgi.input": io.BufferedReader(io.BytesIO(bytes(size)))}


@pytest.mark.parametrize("make", [inflating, arriving])
def test_bodies_are_bounded_together(make):
    """Many callers could fill the memory; whoever is answered makes room."""
    requests = [make(60 * MIB) for _ in range(2)]
    for one in requests:
        assert 60 * MIB == len(read_body(one, 80 * MIB))

    third = make(10 * MIB)
    with pytest.raises(OverloadedError, match=f"^bodies of {128 * MIB} bytes are being"):
        read_body(third, 80 * MIB)
    small = {"wsgi.input": io.BytesIO(STAR)}
    assert STAR == read_body(small, 80 * MIB)

    for one in (third, requests[0]):
        held_bodies.release(one)
    fourth = make(10 * MIB)
    assert 10 * MIB == len(read_body(fourth, 80 * MIB))
    for one in (requests[1], fourth):
        held_bodies.release(one)
    assert 0 == held_bodies.bytes


@pytest.mark.parametrize("make", [inflating, arriving])
def test_one_body_may_be_of_any_size(make):
    """The bound on a body is another setting."""
    large = make(140 * MIB)

    assert 140 * MIB == len(read_body(large, 160 * MIB))
    held_bodies.release(large)


def test_an_answered_request_holds_nothing(client, post):
    """However it was answered."""
    for _ in range(3):
        post(gzip.compress(STAR), "gzip")
        post(gzip.compress(bytes(1000)), "gzip")
        client.post("/predict", data=arriving(1000)["wsgi.input"], content_type="application/json")

    assert 0 == held_bodies.bytes


def test_whoever_reads_a_body_that_did_not_arrive_learns_why():
    """The event loop received it; the view tells."""
    late = FailedBody(SlowBodyError("the body did not arrive within 5 s"))

    with pytest.raises(SlowBodyError, match="within 5 s"):
        read_body({"wsgi.input": late}, 80)


def test_the_head_is_judged_before_a_body_that_did_not_arrive(post):
    """A length over the bound is what its caller must mend first."""
    late = FailedBody(SlowBodyError("the body did not arrive within 5 s"))
    statuses = [
        post(b"", "", environ_overrides={"wsgi.input": late, "CONTENT_LENGTH": length}).status_code
        for length in ("", "1024", "1025")
    ]

    assert [408, 408, 413] == statuses
