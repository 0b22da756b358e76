"""A head that comes again is answered from memory, and every other goes to the parser."""

from __future__ import annotations

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from app.known_head import KnownHead

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\nAccept: */*\r\n\r\n"


def parse(data: bytes):
    """Have gunicorn's parser read a request."""
    return next(RequestParser(Config(), iter([data]), ("127.0.0.1", 1)))


def learn(data: bytes, **environ: str) -> KnownHead | None:
    return KnownHead.learn(data, parse(data), {"PATH_INFO": "/predict", **environ})


@pytest.fixture
def known():
    return learn(HEAD % b"5" + b"seven")


@pytest.mark.parametrize("body", [b"", b"5", b"seven", b"x" * 12345])
def test_the_same_head_is_known_with_any_length(known, body):
    """The length is the request's own."""
    request, environ, rest = known.match(HEAD % str(len(body)).encode() + body)

    assert "/predict" == request.path
    assert (str(len(body)), body) == (environ["CONTENT_LENGTH"], environ["wsgi.input"].read())
    assert b"" == rest


def test_every_request_has_an_environment_of_its_own(known):
    """What the application puts there is not the next request's."""
    _, first, _ = known.match(HEAD % b"1" + b"a")
    first["werkzeug.request"] = "first"
    _, second, _ = known.match(HEAD % b"1" + b"a")

    assert "werkzeug.request" not in second


def test_what_follows_is_given_back(known):
    """A client may send its next request without waiting."""
    data = HEAD % b"2" + b"ab"

    assert data == known.match(data + data)[2]


@pytest.mark.parametrize(
    "data",
    [
        HEAD % b"6" + b"seven",
        HEAD.replace(b"/predict", b"/other") % b"5" + b"seven",
        HEAD.replace(b"*/*", b"json") % b"5" + b"seven",
        HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n") % b"5" + b"seven",
        HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") % b"5" + b"seven",
        HEAD % b"+5" + b"seven",
        HEAD % b"5 " + b"seven",
        HEAD % b"" + b"seven",
        HEAD % b"0000000005" + b"seven",
        HEAD % "\u0665".encode() + b"seven",
        HEAD[:40],
        b"",
    ],
    ids=[
        "body incomplete",
        "path",
        "header",
        "second length",
        "chunked",
        "sign",
        "space",
        "no digits",
        "too many digits",
        "foreign digit",
        "head incomplete",
        "nothing",
    ],
)
def test_whatever_differs_goes_to_the_parser(known, data):
    """Only the digits of one length may."""
    assert known.match(data) is None


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["no body", "chunked", "last request", "HTTP/1.0"],
)
def test_a_head_that_does_not_come_again_is_not_kept(head):
    """There is nothing to gain, or something to get wrong."""
    assert learn(head) is None


@pytest.mark.parametrize("header", ["HTTP_EXPECT", "HTTP_UPGRADE"])
def test_a_head_that_asks_for_another_answer_is_not_kept(header):
    """Each such request is gunicorn's to read."""
    assert learn(HEAD % b"0", **{header: "100-continue"}) is None


def test_a_head_that_came_in_pieces_is_not_kept():
    """What was received first is not all of it."""
    data = HEAD % b"5" + b"seven"

    assert KnownHead.learn(data[:30], parse(data), {}) is None
