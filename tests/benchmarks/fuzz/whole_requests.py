"""Whole requests to the application, with a model host that answers at once."""

from __future__ import annotations

import json
import time
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from prometheus_client import CollectorRegistry

from app.frames import Answer
from app.settings import Settings
from app.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from app.web.channel import Prediction
from app.web.errors import BadInputError, NotFoundError
from app.web.factory import create_app
from app.web.metrics import WebMetrics
from app.web.unreadable import Refusals
from tests.benchmarks.fuzz.mutation import change_bytes, change_json, within
from tests.benchmarks.fuzz.target import Target
from tests.benchmarks.stand_ins import InstantChannel

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from numpy.typing import NDArray

    from app.web.lean_flask import LeanFlask

_MODEL, _CLASSES, _SHAPE = "m", ("a", "b"), (3, 2, 1)
_SIZE = 6
_ROW = np.array([[0.25, 0.75]], np.float32)
_CONFIG = Config()
_REFUSALS = Refusals(time.monotonic, _CONFIG)
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


class _Channel(InstantChannel):
    """Knows one version of one model."""

    def __init__(self) -> None:
        serving = LoadedModel(
            runtime="none",
            precision="f32",
            digest="",
            accuracy=1.0,
            classes=_CLASSES,
            input_shape=_SHAPE,
            passed_over=(),
            batch_limit=8,
            batch_seconds={},
        )
        version = VersionStatus(version=1, state="serving", loaded=serving)
        model = ModelStatus(
            name=_MODEL,
            ready=True,
            reason=None,
            versions=(version,),
            default=1,
            labels={"stable": 1},
        )
        super().__init__(HostStatus.of(model), Prediction(Answer(1, 0.0, 0.0, _ROW), _CLASSES))

    def model(self, name: str | None = None) -> ModelStatus:
        if name not in (None, _MODEL):
            raise NotFoundError(f"no model {name}")
        return super().model(name)

    def serving(self, deadline: float, size: int = 0, **which: Any) -> LoadedModel:
        self.model(which.get("model"))
        if which.get("version", 0) not in (0, 1):
            raise NotFoundError(f"no version {which['version']}")
        return super().serving(deadline, size)

    def predict(self, rows: int, pixels: bytes, _deadline: float, **_which: object) -> Prediction:
        assert 1 <= rows <= _SETTINGS["max_images"]
        assert len(pixels) == rows * _SIZE
        return Prediction(Answer(1, 0.0, 0.0, _ROW.repeat(rows, axis=0)), _CLASSES)

    def admin(self, _request: dict[str, Any], _deadline: float) -> dict[str, Any]:
        return {"ok": True, "error": None, "change": {"generation": 1}}

    def example(self, _deadline: float, **which: Any) -> NDArray[np.uint8]:
        self.model(which.get("model"))
        return np.zeros(_SHAPE, np.uint8)

    def metrics(self, _deadline: float) -> bytes:
        return b""

    def statistics(self, _deadline: float) -> list[Any]:
        return []


@cache
def _application() -> LeanFlask:
    """Make the application, without the answer to what nobody expected: it is to be raised."""
    metrics = WebMetrics(CollectorRegistry())
    application: Any = create_app(Settings(**_SETTINGS), _Channel(), metrics)
    application.error_handler_spec[None][None].pop(Exception)
    application.config["PROPAGATE_EXCEPTIONS"] = True
    found: LeanFlask = application
    return found


class _Socket:
    """Takes what is sent before an answer."""

    def send(self, data: bytes) -> int:
        return len(data)


def _ask(data: bytes) -> None:
    parser = RequestParser(_CONFIG, iter([data]), ("127.0.0.1", 1))
    try:
        request = next(parser)
        _, environ = wsgi.create(request, _Socket(), ("127.0.0.1", 1), ("127.0.0.1", 80), _CONFIG)
    except (ParseException, StopIteration, OSError) as exc:
        if isinstance(exc, ParseException):
            _check_refusal(_REFUSALS.answer(exc, "127.0.0.1"))
        raise BadInputError(f"gunicorn refuses it: {type(exc).__name__}") from None
    status = _answered(environ)
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


def _answered(environ: dict[str, Any]) -> int:
    """Have the application answer, and check that what it says can be sent."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        started.append((status, headers))

    parts = _application()(environ, start)
    body = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    [(line, headers)] = started
    for name, value in headers:
        f"{name}: {value}".encode("latin-1")
        assert not {*"\r\n\0"} & {*name, *value}
    if ("Content-Type", "application/json") in headers and environ["REQUEST_METHOD"] != "HEAD":
        json.loads(body)
    status = int(line[:3])
    assert status < _SERVER_ERROR
    return status


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
    """Give the body; the head says its length when it is changed."""
    head, end, body = data.partition(b"\r\n\r\n")
    said = b"Content-Length: %d" % len(body)
    return (
        body,
        lambda changed: head.replace(said, b"Content-Length: %d" % len(changed)) + end + changed,
    )


def _target_of(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Give what the first line asks for."""
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
