"""What is told to whoever sends something that is no request."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

import pytest
from gunicorn.config import Config

from app.server.connections.bad_request import BadRequests
from tests.unit.app.conftest import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def bad_requests(clock):
    return BadRequests(clock, Config())


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO, "app.server.connections.bad_request")


def taken_apart(answer: bytes) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the status line, the headers and the document of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return line, dict(header.split(": ", 1) for header in headers), json.loads(body)


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (400, "request.unreadable", "the request cannot be read: seven"),
        (414, "request.line_too_long", "the request line is longer than 4094 bytes"),
        (
            431,
            "request.headers_too_large",
            "there are over 100 headers, or one is longer than 8190 bytes",
        ),
        (417, "request.unsupported", "seven; 100-continue is expected, or nothing"),
        (501, "request.unsupported", "seven; chunked is expected, or nothing"),
    ],
)
def test_each_status_has_its_sentence(bad_requests, status, code, sentence):
    """In the shape of all errors."""
    line, _, document = taken_apart(bad_requests.answer(HTTPStatus(status), "seven", "10.0.0.1"))

    assert line.startswith(f"HTTP/1.1 {status} ")
    assert {"error": sentence, "code": code} == document


def test_an_answer_ends_the_connection_and_can_be_found_in_the_log(bad_requests, caplog):
    """Nobody knows where a next request would begin."""
    answer = bad_requests.answer(HTTPStatus.BAD_REQUEST, "seven", "10.0.0.1")
    _, headers, _ = taken_apart(answer)

    assert "close" == headers["Connection"]
    assert "application/json" == headers["Content-Type"]
    assert len(answer.partition(b"\r\n\r\n")[2]) == int(headers["Content-Length"])
    assert (headers["X-Request-Id"], "10.0.0.1") == (
        caplog.records[0].request_id,
        caplog.records[0].client,
    )


def test_little_of_what_was_sent_is_repeated(bad_requests):
    """It may be anything, of any length."""
    answer = bad_requests.answer(HTTPStatus.BAD_REQUEST, "\x00é\r\n" * 10_000, "10.0.0.1")

    assert 300 > len(taken_apart(answer)[2]["error"])


def test_a_failure_of_the_service_keeps_its_reasons_to_itself(bad_requests):
    """The caller gets an id to ask for."""
    answer = bad_requests.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "secret", "10.0.0.1")
    line, headers, document = taken_apart(answer)

    assert line.startswith("HTTP/1.1 500 ")
    assert "secret" not in str(document)
    assert document["request_id"] == headers["X-Request-Id"]


def test_a_flood_does_not_flood_the_log(bad_requests, caplog, clock):
    """What is left out is counted."""
    for _ in range(50):
        bad_requests.answer(HTTPStatus.BAD_REQUEST, "seven", "10.0.0.1")
    clock.tick(1.0)
    bad_requests.answer(HTTPStatus.BAD_REQUEST, "seven", "10.0.0.1")

    assert 11 == len(caplog.records)
    assert caplog.records[-1].message.endswith(", after 40 more that are not logged")
