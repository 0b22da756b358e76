"""Responses of servers that are not Glyph, or mean harm, raise the client's own errors."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import ssl
import tracemalloc
import zlib

import h11
import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.tests.fakes import FakeTime, answer, stack
from glyph_client import (
    AsyncGlyph,
    DeadlineError,
    FailedError,
    Glyph,
    GlyphError,
    UnreachableError,
)

IMAGE = stack(3)[2]
TLS = ssl.create_default_context()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PREDICTIONS = json.loads(answer([2]).content)
NOT_GLYPH = "answered what Glyph does not"


def by_blocking(pieces, call):
    """Call a blocking client whose connections hold these bytes, one piece a read."""
    time = FakeTime()
    transport = httpx.HTTPTransport(verify=TLS)
    with Glyph(transport=transport, clock=time.clock, sleep=time.sleep) as glyph:
        transport._pool._network_backend = httpcore.MockBackend(list(pieces))
        return call(glyph)


def by_asyncio(pieces, call):
    """Call the other one in the same way."""
    time = FakeTime()

    async def ask():
        transport = httpx.AsyncHTTPTransport(verify=TLS)
        transport._pool._network_backend = httpcore.AsyncMockBackend(list(pieces))
        async with AsyncGlyph(
            transport=transport, clock=time.clock, sleep=time.sleep_later
        ) as glyph:
            return await call(glyph)

    return asyncio.run(ask())


def ask(glyph):
    return glyph.predict(IMAGE)


@pytest.fixture(params=[by_blocking, by_asyncio])
def predict(request):
    """Have an image classified by a server that sends these bytes."""
    return lambda *pieces: request.param(pieces, ask)


def http(body, *headers):
    """Answer with a body as JSON."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def changed(field, value):
    """Answer as a service does, but for one field of the prediction."""
    [prediction] = PREDICTIONS["predictions"]
    return json.dumps(PREDICTIONS | {"predictions": [prediction | {field: value}]}).encode()


def test_what_glyph_answers_is_read(predict):
    """The bytes below differ from these in one thing each."""
    assert "star" == predict(http(json.dumps(PREDICTIONS).encode())).label


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_answers_are_read(predict, pack):
    """A proxy may pack what nobody asked it to."""
    encoding = b"gzip" if pack is gzip.compress else b"deflate"
    body = pack(json.dumps(PREDICTIONS).encode())

    assert "star" == predict(http(body, b"Content-Encoding: " + encoding)).label


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"predictions":' * 50_000,
        b'{"a": "\xff\xfe"}',
        b'{"predictions": 1e5000',
        b"9" * 10_000,
        b"",
        b"null",
        changed("label", 5),
        changed("class", 0.5),
        changed("class", bool(1)),
        changed("probability", math.nan),
        changed("probability", 10**400),
        changed("probabilities", [math.nan, 0]),
        changed("probabilities", [math.inf, 0]),
        changed("probabilities", [1e300, 0]),
        changed("probabilities", [10**400, 0]),
        changed("probabilities", [None, 0]),
        changed("probabilities", ["1", "0"]),
        changed("probabilities", [[1, 0]]),
        changed("probabilities", []),
        changed("probabilities", "10"),
        changed("notes", 5),
        changed("notes", "abc"),
        changed("notes", [5]),
        changed("top", {"label": "a"}),
        changed("top", [{"label": "a", "class": "0", "probability": 1}]),
        json.dumps(PREDICTIONS | {"predictions": []}).encode(),
        json.dumps(PREDICTIONS | {"predictions": {"a": 1}}).encode(),
        json.dumps(PREDICTIONS | {"model": {"name": 1, "version": 1}}).encode(),
        json.dumps(PREDICTIONS | {"model": {"name": "a", "version": "1"}}).encode(),
        json.dumps(PREDICTIONS | {"model": [1]}).encode(),
    ],
)
def test_json_of_another_shape_is_refused(predict, body):
    """However deep, large, cut or almost right it is: nothing false becomes a prediction."""
    with pytest.raises(FailedError, match=NOT_GLYPH) as error:
        predict(http(body))

    assert 200 == error.value.status


@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"application/x-npy", b"jsonish"])
def test_another_content_type_is_refused(predict, kind):
    """Glyph's answers are JSON, and say so."""
    body = http(json.dumps(PREDICTIONS).encode()).replace(b"application/json", kind)

    with pytest.raises(FailedError, match=NOT_GLYPH):
        predict(body)


@pytest.mark.parametrize(
    ("encoding", "body", "sentence"),
    [
        (b"gzip", b"nonsense", "answered what cannot be unpacked as gzip"),
        (b"gzip", gzip.compress(b"{}")[:-3], "answered gzip that is cut short"),
        (b"deflate", b"nonsense", "answered what cannot be unpacked as deflate"),
        (b"br", b"nonsense", "in the content encoding 'br', which was not asked for"),
        (b"zstd", b"{}", "in the content encoding 'zstd', which was not asked for"),
        (b"gzip, gzip", b"{}", "in the content encoding 'gzip, gzip', which"),
        (b"gzip", gzip.compress(bytes(20 * 2**20)), r"more than the \d+ bytes that are expected"),
    ],
    ids=["gzip", "cut", "deflate", "br", "zstd", "twice", "bomb"],
)
def test_what_cannot_be_unpacked_is_refused(predict, encoding, body, sentence):
    """Damaged, cut, in an encoding that the client has not, or a bomb."""
    with pytest.raises(FailedError, match=sentence):
        predict(http(body, b"Content-Encoding: " + encoding))


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + b"Content-Length: 9999\r\n\r\n{}",),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",),
        (HEAD + b"Content-Length: many\r\n\r\n{}",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",),
        (HEAD, *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 200),
        (b"HTTP/1.1 302 F\r\nLocation: http://[::\r\nContent-Length: 0\r\n\r\n",),
        (b"\x16\x03\x01\x02\x00",),
        (b"SSH-2.0-OpenSSH_9.9\r\n",),
        (),
    ],
)
def test_broken_http_is_a_broken_connection(predict, pieces):
    """A body or a chunk that ends early, a flood of headers, a port of something else."""
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:8000 gave no whole answer"):
        predict(*pieces)


@pytest.mark.parametrize("status", [b"301 M", b"302 F", b"307 T", b"308 P"])
def test_redirects_are_not_followed(predict, status):
    """Endless ones neither; where it points to is told."""
    answered = b"HTTP/1.1 " + status + b"\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"

    with pytest.raises(FailedError, match=r"it points to /elsewhere, and redirects are not"):
        predict(answered)


def test_an_endless_answer_is_given_up(predict):
    """Memory does not depend on what the server sends."""
    endless = [HEAD + b"\r\n", *[bytes(2**16)] * 2000]

    tracemalloc.start()
    try:
        with pytest.raises(FailedError, match="is it the right address"):
            predict(*endless)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 * 2**20


def test_larger_requests_may_have_larger_answers():
    """Models may have many classes."""
    body = json.dumps(PREDICTIONS | {"predictions": PREDICTIONS["predictions"] * 256})
    body += " " * (20 * 2**20)

    answered = by_blocking([http(body.encode())], lambda glyph: glyph.predict(stack(256)))

    assert 256 == len(answered)


def test_no_cookies_are_kept():
    """Their server is none of Glyph's, and could send ever more."""

    def call(glyph):
        glyph.predict(IMAGE)
        return list(glyph._network.http.cookies.jar)

    body = http(json.dumps(PREDICTIONS).encode(), b"Set-Cookie: a=b; Max-Age=9999")
    assert [] == by_blocking([body], call)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.DecodingError("bad"), FailedError),
        (httpx.TooManyRedirects("many"), FailedError),
        (httpx.InvalidURL("no"), FailedError),
        (httpx.StreamError("read"), FailedError),
        (httpx.PoolTimeout("full"), DeadlineError),
        (httpx.ProxyError("403"), UnreachableError),
        (httpx.WriteError("reset"), UnreachableError),
        (httpx.LocalProtocolError("no"), FailedError),
        (h11.RemoteProtocolError("no"), FailedError),
        (ssl.SSLError("bad record"), UnreachableError),
        (ConnectionResetError("reset"), UnreachableError),
        (OSError("no route"), UnreachableError),
        (TimeoutError("late"), DeadlineError),
        (UnicodeError("label too long"), FailedError),
        (RecursionError("deep"), FailedError),
    ],
)
def test_whatever_a_transport_raises_is_an_error_of_the_clients(failure, kind):
    """Callers catch one family; what it came from is its cause."""

    def fail(_request):
        raise failure

    async def fail_later(_request):
        raise failure

    async def ask_later():
        return await AsyncGlyph(transport=httpx.MockTransport(fail_later), retries=0).predict(IMAGE)

    with pytest.raises(GlyphError) as blocking:
        Glyph(transport=httpx.MockTransport(fail), retries=0).predict(IMAGE)
    with pytest.raises(GlyphError) as awaited:
        asyncio.run(ask_later())

    assert (kind, kind) == (type(blocking.value), type(awaited.value))
    assert str(blocking.value) == str(awaited.value)
    assert blocking.value.__cause__ is failure


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -(2**63), "\ud800", "3", 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = (
    PREDICTIONS,
    {
        "default": "shapes",
        "models": [
            {
                "name": "shapes",
                "ready": True,
                "reason": None,
                "default_version": 3,
                "labels": {"stable": 3},
                "versions": [
                    {"version": 3, "state": "serving", "classes": ["a"], "input_shape": [2, 2, 1]}
                ],
            }
        ],
    },
    {"instances": [[[1, 2], [3, 4]]]},
    {"status": "ready"},
    {"error": "no", "code": "images.too_many", "limit": 3},
)


@st.composite
def almost_right(draw):
    """Draw what Glyph answers, with another value somewhere in it."""
    document = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    node, value = document, draw(JSON)
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        deeper = isinstance(node[key], dict | list) and node[key]
        if not deeper or draw(st.booleans()):
            node[key] = value
            return json.dumps(document).encode()
        node = node[key]


HEADERS = st.sampled_from(
    [
        b"Content-Encoding: gzip",
        b"Content-Encoding: \xff",
        b"Content-Type: application/json",
        b"Content-Type: text/html",
        b"Retry-After: 9",
        b"Server-Timing: queue;dur=1.2.3",
        b"X-Request-Id: \xe4",
        b"Location: //[",
        b"Set-Cookie: =;;",
        b"Connection: close",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 3",
    ]
)
STATUS = st.sampled_from([b"200", b"100", b"101", b"204", b"302", b"304", b"413", b"503", b"999"])
CALLS = st.sampled_from(
    [
        ask,
        lambda glyph: glyph.predict(stack(4)),
        lambda glyph: glyph.predict(IMAGE, label="stable"),
        lambda glyph: glyph.models(),
        lambda glyph: glyph.example(),
        lambda glyph: glyph.ready(),
        lambda glyph: glyph.wait_until_ready(3),
    ]
)


@st.composite
def answers(draw):
    """Draw bytes that are more or less HTTP, cut into pieces."""
    body = draw(almost_right() | st.binary())
    head = b"HTTP/1.1 " + draw(STATUS | st.just(b"200")) + b" OK\r\n"
    headers = draw(st.lists(HEADERS, max_size=3))
    length = draw(st.sampled_from([b"Content-Length: %d" % len(body), b"X-A: b"]))
    whole = head + b"".join(line + b"\r\n" for line in [*headers, length]) + b"\r\n" + body
    whole = draw(st.just(whole) | st.binary() | st.just(whole[: draw(st.integers(0, 400))]))
    cut = draw(st.integers(1, 500))
    return [whole[i : i + cut] for i in range(0, len(whole), cut)] * draw(st.integers(1, 2))


@given(answers(), CALLS, st.sampled_from([by_blocking, by_asyncio]))
def test_whatever_is_answered_is_an_answer_or_an_error_of_the_clients(pieces, call, by):
    """No other exception comes out, whatever the bytes are."""
    try:
        by(pieces, call)
    except GlyphError as error:
        assert error.sentence  # noqa: PT017 - it may also be an answer
