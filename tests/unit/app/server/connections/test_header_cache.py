"""A head that comes again is answered from memory, and every other goes to the parser."""

from __future__ import annotations

import pytest
from gunicorn.asgi.parser import CallbackRequest, PythonProtocol

from app.server.connections.header_cache import HeaderCache

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\nAccept: */*\r\n\r\n"


def learn(data: bytes) -> HeaderCache | None:
    """Have gunicorn's parser read a request, and remember its head."""
    parser = PythonProtocol()
    parser.feed(data)
    return HeaderCache.learn(data, CallbackRequest.from_parser(parser))


@pytest.fixture
def known():
    return learn(HEAD % b"5" + b"seven")


@pytest.mark.parametrize("body", [b"", b"5", b"seven", b"x" * 12345])
def test_the_same_head_is_known_with_any_length(known, body):
    """The length is the request's own, wherever it is told."""
    assert body == known.match(HEAD % str(len(body)).encode() + body)
    assert len(body) == known.request.content_length
    assert (b"content-length", str(len(body)).encode()) in known.request.headers_bytes
    assert ("/predict", 3) == (known.request.path, len(known.request.headers_bytes))


@pytest.mark.parametrize(
    "data",
    [
        HEAD % b"6" + b"seven",
        HEAD % b"4" + b"seven",
        (HEAD % b"5" + b"seven") * 2,
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
        HEAD[: HEAD.index(b"%")] + b"55",
        b"",
    ],
    ids=[
        "body incomplete",
        "more behind the body",
        "two requests",
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
        "digits incomplete",
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
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["no body", "PUT", "line before", "chunked", "last request", "HTTP/1.0", "100", "upgrade"],
)
def test_a_head_that_does_not_come_again_is_not_kept(head):
    """There is nothing to gain, or something to get wrong."""
    assert learn(head) is None
