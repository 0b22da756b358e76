"""Whole requests to a worker's connection, with a model host that answers at once.

Both ways of answering are asked, and must say the same: the short one and Flask alone.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import time
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvloop

from app.ipc.status import HostStatus, ModelStatus
from app.server.front.asgi_types import RECEIVED
from app.web.http.errors import BadInputError
from tests.benchmarks.fuzz.mutation import change_bytes, change_json, within
from tests.benchmarks.fuzz.target import Target
from tests.in_process import BothWays, ConnectionWorker, InstantChannel, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from app.server.front.asgi_types import Message, Receive, Scope, Send

_SIZE = 6
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_LONGEST_REFUSAL = 4096
_TOKEN = "0123456789abcdef"  # noqa: S105 - of this application only
_SETTINGS: dict[str, Any] = {
    "admin_token": _TOKEN,
    "cors_origins": "https://a.example",
    "trusted_proxies": "127.0.0.1/32",
    "max_images": 8,
    "max_body_bytes": 2**20,
    "log_level": "error",
}
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Failures(logging.Handler):
    """Keeps what was logged of failures that nobody expected: their callers learn nothing."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.told.append(logging.Formatter().format(record))


class _Checked:
    """The front, whose answers are looked at before they are sent."""

    def __init__(self, ways: BothWays) -> None:
        self.statuses: list[int] = []
        """Of the answers since they were forgotten."""
        self.bodies: list[bytes] = []
        self._ways = ways

    def forget(self) -> None:
        """Forget the answers so far."""
        self.statuses, self.bodies = [], []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        received: list[Message] = []

        async def note() -> Message:
            received.append(await receive())
            return received[-1]

        again = scope | {RECEIVED: replace(scope[RECEIVED])}
        start, body = await _answer(self._ways.short, scope, note)
        if scope["method"] == "POST":

            async def replay() -> Message:
                return received.pop(0) if received else {"type": "http.disconnect"}

            if scope[RECEIVED].trouble:
                again[RECEIVED].trouble = scope[RECEIVED].trouble
            long_start, long_body = await _answer(self._ways.long, again, replay)
            if HTTPStatus.REQUEST_TIMEOUT not in (start["status"], long_start["status"]):
                assert _told(start, body) == _told(long_start, long_body)
        _check(scope["method"], start, body)
        self.statuses.append(start["status"])
        self.bodies.append(body)
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _answer(front: Any, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await front(scope, receive, send)
    start, last = sent
    return start, last["body"]


def _told(start: Message, body: bytes) -> tuple[object, ...]:
    headers = [pair for pair in start["headers"] if pair[0] != b"x-request-id"]
    return start["status"], headers, body


def _check(method: str, start: Message, body: bytes) -> None:
    """Check that what is said can be sent, and is what its headers say."""
    headers = dict(start["headers"])
    for name, value in start["headers"]:
        assert not {*b"\r\n\0"} & {*name, *value}
    if headers.get(b"content-type") == b"application/json" and method != "HEAD":
        json.loads(body)
    if method != "HEAD" and start["status"] not in _WITHOUT_BODY:
        assert int(headers[b"content-length"]) == len(body)
    assert start["status"] < _SERVER_ERROR


class _Server:
    """A worker's connections on a loop of their own, and what went wrong."""

    def __init__(self) -> None:
        model = ModelStatus(
            name="m",
            ready=True,
            reason=None,
            versions=(serving(1, (3, 2, 1), "ab"),),
            default=1,
            labels={"stable": 1},
        )
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        atexit.register(runner.close)
        loop = runner.get_loop()
        channel = InstantChannel(HostStatus.of(model))
        self._failures = _Failures()
        logging.getLogger("app").addHandler(self._failures)
        self._front = _Checked(BothWays(channel, loop, time.monotonic, **_SETTINGS))
        self._worker = ConnectionWorker(self._front, loop)
        self._worker.log.error_log.addHandler(self._failures)
        self._runner = runner
        self._channel = channel

    def ask(self, data: bytes) -> tuple[list[int], bytes]:
        """Send bytes; gives the statuses of the front's answers, and what was sent beside them.

        Raises:
            AssertionError: If something failed that should not.
        """
        self._front.forget()
        self._failures.told.clear()
        self._channel.asked.clear()
        sent = self._runner.run(self._worker.exchange(data))
        assert not self._failures.told, "\n".join(self._failures.told)
        for asked in self._channel.asked:
            assert 1 <= asked.rows <= _SETTINGS["max_images"]
            assert len(asked.pixels) == asked.rows * _SIZE
        statuses = self._front.statuses
        return statuses, _without(sent, statuses, self._front.bodies)


def _without(sent: bytes, statuses: list[int], bodies: list[bytes]) -> bytes:
    """Take answers off what was sent, and check that they are there in their order.

    A client that stops in the middle of a body is gone, and sent nothing.
    """
    for status, body in zip(statuses, bodies, strict=True):
        if not sent:
            break
        head, _, sent = sent.removeprefix(_CONTINUE).partition(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == b"%d" % status
        assert sent.startswith(body)
        sent = sent[len(body) :]
    return sent.removeprefix(_CONTINUE)


_server = cache(_Server)


def _ask(data: bytes) -> None:
    statuses, rest = _server().ask(data)
    if rest:
        _check_refusal(rest)
        raise BadInputError("gunicorn refuses it")
    if not statuses:
        raise BadInputError("there is no answer")
    for status in statuses:
        if status >= _CLIENT_ERROR:
            raise BadInputError(f"{status}".translate(_AS_LETTERS))


def _check_refusal(answer: bytes) -> None:
    """Check that an answer is whole, of the shape of all errors, and not long."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode("ascii").split("\r\n")
    assert f"Content-Length: {len(body)}" in headers
    assert _CLIENT_ERROR <= int(line.split()[1]) <= HTTPStatus.NOT_IMPLEMENTED
    assert isinstance(json.loads(body)["error"], str)
    assert len(answer) < _LONGEST_REFUSAL


_AS_LETTERS = str.maketrans("0123456789", "abcdefghij")
"""Digits do not tell one refusal from another."""


_PATHS = (
    *("GET /", "GET /docs", "GET /openapi.json", "GET /healthz", "GET /readyz", "GET /metrics"),
    *("GET /example", "GET /models", "GET /models/m", "GET /models/m/versions/1", "GET /v2"),
    *("GET /models/m/example", "GET /v1/models/m", "GET /v1/models/m/versions/1/metadata"),
    *("GET /v1/models/m/labels/stable", "GET /v2/models/m", "GET /v2/models/m/versions/1/ready"),
    *("GET /v2/models/stats", "GET /v2/models/m/stats", "GET /v2/health/live"),
    *("POST /v2/repository/index", "OPTIONS /predict", "HEAD /models", "GET /static/page.js"),
)
_IMAGE = [0, 1, 2, 3, 4, 5]
_TENSOR = {"name": "images", "datatype": "UINT8", "shape": [1, _SIZE], "data": _IMAGE}
_POSTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/predict?top_k=2&fields=label,pixels", {"instances": [_IMAGE]}),
    ("/models/m/versions/1/predict", {"instances": [_IMAGE, _IMAGE]}),
    ("/models/m/labels/stable/predict", {"instances": [_IMAGE]}),
    ("/v1/models/m:predict", {"instances": [_IMAGE]}),
    ("/v1/models/m/versions/1:predict", {"inputs": {"images": [_IMAGE]}}),
    ("/v2/models/m/infer", {"id": "x", "inputs": [_TENSOR]}),
    ("/models/m/promote", {"version": 1, "by": "me", "reason": "why"}),
    ("/models/m/label", {"label": "canary", "version": 1}),
    ("/models/m/canary", {"percent": 5, "version": 1, "sticky_header": "X-User"}),
    ("/models/m/rollback", {}),
    ("/v2/repository/models/m/load", {"parameters": {}}),
)
_HEADERS = (
    *("Accept: application/json", "Accept: application/x-npy", "Origin: https://a.example"),
    *("Accept-Encoding: gzip", "X-Request-Id: a", "X-Request-Timeout-Ms: 1000", "If-None-Match: *"),
    *("X-Forwarded-For: 10.0.0.1, 10.0.0.2", "X-Forwarded-Proto: https", "Forwarded: for=a"),
    *("Access-Control-Request-Method: POST", "Content-Encoding: gzip", "Range: bytes=0-1"),
    *("X-User: me", "Cookie: a=b", "Inference-Header-Content-Length: 10", "Expect: 100-continue"),
    *("If-Modified-Since: x", "X-API-Key: a", "Content-Type: multipart/form-data; boundary=b"),
    *("Content-Type: application/octet-stream", "Content-Type: image/png"),
    *("Transfer-Encoding: chunked", "Authorization: Basic YTpi", "Host: \u00ff"),
)


def _seeds() -> list[bytes]:
    plain = [f"{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in _PATHS]
    return plain + [_post(path, json.dumps(document).encode()) for path, document in _POSTS]


def _post(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {_TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body_of(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the body; its length is written into the head when it changes."""
    head, end, body = data.partition(b"\r\n\r\n")
    said = b"Content-Length: %d" % len(body)
    return (
        body,
        lambda changed: head.replace(said, b"Content-Length: %d" % len(changed)) + end + changed,
    )


def _target_of(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return the request target of the first line."""
    method, target, rest = data.split(b" ", 2)
    return target, lambda changed: method + b" " + changed + b" " + rest


def _add_header(rng: Random, data: bytes) -> bytes:
    line, end, rest = data.partition(b"\r\n")
    return line + end + rng.choice(_HEADERS).encode("latin-1") + end + rest


def _change_header(rng: Random, data: bytes) -> bytes:
    """Change what follows a colon."""
    lines = data.split(b"\r\n")
    place = rng.randrange(1, lines.index(b""))
    name, colon, value = lines[place].partition(b": ")
    lines[place] = name + colon + change_bytes(rng, value)
    return b"\r\n".join(lines)


TARGETS = {
    "whole-requests": Target(
        _ask,
        _seeds,
        (
            _add_header,
            _change_header,
            within(_target_of),
            within(_body_of, change_json),
            within(_body_of, change_bytes),
        ),
        (
            *(
                b"GET",
                b"POST",
                b"HEAD",
                b"OPTIONS",
                b"PUT",
                b"/v1/",
                b"/v2/",
                b"/models/",
                b":predict",
            ),
            *(b"%2F", b"%00", b"%ff", b"//", b"..", b"?", b"&", b"m", b"\r\n", b"predict"),
        ),
        most_bytes=64 * 2**10,
    ),
}
