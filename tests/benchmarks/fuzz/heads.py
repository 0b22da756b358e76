"""Heads of requests, and what stands in them: queries, and headers that are read here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

from app.known_head import KnownHead
from app.web.answers import choose_form
from app.web.bodies import LONGEST_TIMEOUT_MS, media_type, request_timeout_s
from app.web.errors import BadInputError
from app.web.query import read_query
from tests.benchmarks.fuzz.mutation import change_bytes
from tests.benchmarks.fuzz.target import Target

if TYPE_CHECKING:
    from random import Random

_CONFIG = Config()
_MOST_BYTES = 8 * 2**10
"""gunicorn reads no longer lines."""
_HEADS = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nseven",
    b"POST /predict?top_k=3 HTTP/1.1\r\ncontent-length:5\r\nHost: [::1]:80\r\n\r\nseven",
    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: \t 5\r\n\r\nsevenPOST",
)
_LENGTH = re.compile(rb"(?i)(content-length:[ \t]*)([0-9]+)")


def _parse(data: bytes) -> tuple[Any, bytes, bytes]:
    """Have gunicorn read a request; gives it, its body, and what follows."""
    parser = RequestParser(_CONFIG, iter([data]), ("127.0.0.1", 1))
    try:
        request = next(parser)
        body = request.body.read()
    except (ParseException, StopIteration, OSError) as exc:
        raise BadInputError(f"gunicorn refuses it: {type(exc).__name__}") from None
    return request, body, parser.unreader.take_buffered()


_REQUESTS = [_parse(head)[0] for head in _HEADS]
_KNOWN = [
    KnownHead.learn(head, request, {}) for head, request in zip(_HEADS, _REQUESTS, strict=True)
]


def _head(data: bytes) -> None:
    """What is taken for a head that is known must be what gunicorn makes of it, too."""
    matched = [found for known in _KNOWN if known and (found := known.match(data)) is not None]
    try:
        parsed, body, rest = _parse(data)
    except BadInputError:
        assert not matched
        raise
    learnt = KnownHead.learn(data, parsed, {})
    if learnt is not None and (again := learnt.match(data)) is not None:
        matched.append(again)
    for request, environ, following in matched:
        assert _told(parsed) == _told(request)
        assert body == environ["wsgi.input"].read()
        assert len(body) == int(environ["CONTENT_LENGTH"])
        assert rest == following


def _told(request: Any) -> tuple[object, ...]:
    headers = [pair for pair in request.headers if pair[0].upper() != "CONTENT-LENGTH"]
    return request.method, request.uri, request.version, headers


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
            b"text/html, */*; q=.2\n600000\n",
        ],
        words=(
            *(b"*/*", b"application/json", b"application/x-npy", b";q=", b";q=0.5", b"q=.", b","),
            *(b"/*", b'"', b"\\", b"=", b"; charset*=utf-8''%ff", b"application/octet-stream"),
        ),
        most_bytes=_MOST_BYTES,
    ),
}
