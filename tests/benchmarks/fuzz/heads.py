"""Heads of requests, and what stands in them: queries, and headers that are read here."""

from __future__ import annotations

import asyncio
import atexit
import re
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import uvloop
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

from app.server.front.asgi_environ import environ_of
from app.server.front.asgi_types import RECEIVED
from app.web.http.errors import BadInputError
from app.web.http.request_body import LONGEST_TIMEOUT_MS, media_type, request_timeout_s
from app.web.prediction.query_options import read_query
from app.web.prediction.responses import choose_form
from tests.benchmarks.fuzz.mutation import change_bytes
from tests.benchmarks.fuzz.target import Target
from tests.in_process import ConnectionWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from app.server.front.asgi_types import Receive, Scope, Send

_CONFIG = Config()
_CONFIG.set("forwarded_allow_ips", "")
_MOST_BYTES = 8 * 2**10
"""gunicorn reads no longer lines."""
_HEADS = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nseven",
    b"POST /predict?top_k=3 HTTP/1.1\r\ncontent-length:5\r\nHost: [::1]:80\r\n\r\nseven",
    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: \t 5\r\n\r\nseven",
)
_LENGTH = re.compile(rb"(?i)(content-length:[ \t]*)([0-9]+)")
_PLACES = (("127.0.0.1", 50_000), ("127.0.0.1", 8000))

Read = tuple[dict[str, Any], bytes]
"""A request as an environment, and its body."""


class _Connections:
    """Connections to a front that only notes what it is asked."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        atexit.register(self._runner.close)
        self._worker = ConnectionWorker(self._note, self._runner.get_loop())
        self._read: list[Read] = []

    def read(self, data: bytes) -> list[Read]:
        """Return the complete requests in some bytes."""
        self._read = []
        self._runner.run(self._worker.exchange(data))
        return self._read

    async def _note(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces = [scope[RECEIVED].body or b""]
        more = scope[RECEIVED].body is None
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            pieces.append(message["body"])
            more = message["more_body"]
        self._read.append((environ_of(scope), b"".join(pieces)))
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


_connections = cache(_Connections)


class _Socket:
    """Takes what is sent before an answer."""

    def send(self, data: bytes) -> int:
        return len(data)


def _by_wsgi(data: bytes) -> Iterator[Read]:
    """Read the same by gunicorn's other parser, that of its WSGI workers."""
    parser = RequestParser(_CONFIG, iter([data]), _PLACES[0])
    try:
        for request in parser:
            _, environ = wsgi.create(request, _Socket(), *_PLACES, _CONFIG)
            yield environ, request.body.read()
            if request.should_close():
                return
    except (ParseException, OSError):
        return


def _head(data: bytes) -> None:
    """What is taken for a request must be one for both of gunicorn's parsers, and the same."""
    read = _connections().read(data)
    if not read:
        raise BadInputError("it is refused")
    for ours, theirs in zip_longest(read, [*_by_wsgi(data)][: len(read)]):
        assert theirs is not None
        assert _told(ours) == _told(theirs)


def _told(read: Read) -> tuple[object, ...]:
    """Return the part that must be equal; WSGI drops fragments, which clients must not send."""
    environ, body = read
    kept = {name: value for name, value in environ.items() if name.isupper()}
    kept.pop("SERVER_SOFTWARE", None)
    target = kept.pop("RAW_URI")
    if "#" in target:
        raise BadInputError("it has a fragment")
    return kept, target.removesuffix("?"), body


def _change_length(rng: Random, data: bytes) -> bytes:
    """Let a head say another length, most often the right one of another body."""
    head, end, body = data.partition(b"\r\n\r\n")
    body = rng.randbytes(rng.choice((0, 1, 5, 100))) if rng.random() < 3 / 4 else body
    said = rng.choice((len(body),) * 6 + (len(body) + 1, max(0, len(body) - 1), 10**9, -1))
    return _LENGTH.sub(rb"\g<1>%d" % said, head) + end + body


def _next_request(rng: Random, data: bytes) -> bytes:
    """Let another request follow."""
    return data + rng.choice(_HEADS)


def _query(data: bytes) -> None:
    asked = read_query(data.decode("latin-1"))
    asked.check_classes(10)
    assert asked.fields_of(pictures=True)


def _other_query(rng: Random, _data: bytes) -> bytes:
    """Put a query together, of parts that fit more often than not."""
    values = {
        b"prepare": (b"auto", b"always", b"never", b"Never"),
        b"top_k": (b"1", b"10", b"11", b"0", b"+3", b"1e1"),
        b"fields": (b"label", b"class,top", b"pixels,notes", b"probabilities,label", b"label,"),
    }
    names = rng.sample([*values], rng.randint(1, 3))
    return b"&".join(name + b"=" + rng.choice(values[name]) for name in names)


def _headers(data: bytes) -> None:
    """Read lines that stand for Accept, X-Request-Timeout-Ms and Content-Type."""
    lines = [*data.decode("latin-1").split("\n"), "", ""]
    environ = {"HTTP_X_REQUEST_TIMEOUT_MS": lines[1], "CONTENT_TYPE": lines[2]}
    choose_form(lines[0], needs_json=False)
    choose_form(lines[0], needs_json=True)
    assert 0 < request_timeout_s(environ, 1000) <= LONGEST_TIMEOUT_MS / 1000
    assert media_type(environ) is not None


TARGETS = {
    "head": Target(
        _head,
        lambda: [*_HEADS],
        (_change_length, _next_request),
        (
            *(b"\r\n", b"\n", b" ", b"\t", b"\0", b": ", b"HTTP/1.0", b"Connection: close\r\n"),
            *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"GET", b"%00", b"?", b"#"),
        ),
        most_bytes=_MOST_BYTES,
    ),
    "query": Target(
        _query,
        lambda: [
            *(b"top_k=3", b"prepare=never&top_k=10", b"fields=label,class,top&prepare=always"),
            b"fields=probabilities",
        ],
        (_other_query, change_bytes, change_bytes),
        words=(
            *(b"top_k=", b"prepare=", b"fields=", b"&", b"=", b",", b"auto", b"pixels", b"%", b"+"),
            *(b"%ff", b"%00", b"%ed%a0%80", b";", b"%2C", b"label,"),
        ),
        most_bytes=_MOST_BYTES,
    ),
    "headers": Target(
        _headers,
        lambda: [
            b"*/*\n1000\napplication/json",
            b"application/json;q=0.5, application/x-npy\n1\nimage/png; x=y",
            b"text/html, */*; q=.2\n60000\n",
        ],
        words=(
            *(b"*/*", b"application/json", b"application/x-npy", b";q=", b";q=0.5", b"q=.", b","),
            *(b"/*", b'"', b"\\", b"=", b"; charset*=utf-8''%ff", b"application/octet-stream"),
        ),
        most_bytes=_MOST_BYTES,
    ),
}
