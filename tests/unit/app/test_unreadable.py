"""What is told to whoever sends something that is no request."""

from __future__ import annotations

import json
import logging

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidRequestLine,
    InvalidResponseHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)

from app.web.unreadable import Refusals


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def refusals(clock):
    return Refusals(clock, Config())


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO, "app.web.unreadable")


def taken_apart(answer: bytes) -> tuple[str, dict[str, str], dict[str, str]]:
    """Give the status line, the headers and the document of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return line, dict(header.split(": ", 1) for header in headers), json.loads(body)


@pytest.mark.parametrize(
    ("raised", "status", "sentence"),
    [
        (
            InvalidRequestLine("seven"),
            400,
            "the request cannot be read: Invalid HTTP request line: 'seven'",
        ),
        (
            InvalidHeader("CONTENT-LENGTH"),
            400,
            "the request cannot be read: Invalid HTTP Header: 'CONTENT-LENGTH'",
        ),
        (
            LimitRequestLine(5000, 4094),
            414,
            "the request line is longer than 4094 bytes",
        ),
        (
            LimitRequestHeaders("limit request headers fields size"),
            431,
            "there are over 100 headers, or one is longer than 8190 bytes",
        ),
        (
            ExpectationFailed("gold"),
            417,
            "Unable to comply with expectation: 'gold'; 100-continue is expected, or nothing",
        ),
        (
            UnsupportedTransferCoding("br"),
            501,
            "Unsupported transfer coding: 'br'; chunked is expected, or nothing",
        ),
    ],
)
def test_each_error_has_its_status_and_sentence(refusals, raised, status, sentence):
    """In the shape of all errors."""
    line, _, document = taken_apart(refusals.answer(raised, "10.0.0.1"))

    assert line.startswith(f"HTTP/1.1 {status} ")
    assert {"error": sentence} == document


def test_an_answer_ends_the_connection_and_can_be_found_in_the_log(refusals, caplog):
    """Nobody knows where a next request would begin."""
    answer = refusals.answer(InvalidRequestLine("seven"), "10.0.0.1")
    _, headers, _ = taken_apart(answer)

    assert "close" == headers["Connection"]
    assert "application/json" == headers["Content-Type"]
    assert len(answer.partition(b"\r\n\r\n")[2]) == int(headers["Content-Length"])
    assert (headers["X-Request-Id"], "10.0.0.1") == (
        caplog.records[0].request_id,
        caplog.records[0].client,
    )


def test_little_of_what_was_sent_is_repeated(refusals):
    """It may be anything, of any length."""
    answer = refusals.answer(InvalidRequestLine("\x00é\r\n" * 10_000), "10.0.0.1")

    assert 300 > len(taken_apart(answer)[2]["error"])


@pytest.mark.parametrize("raised", [ZeroDivisionError("secret"), InvalidResponseHeader("secret")])
def test_a_failure_of_the_service_keeps_its_reasons_to_the_log(refusals, caplog, raised):
    """The caller gets an id to ask for; the application's own header is no caller's fault."""
    line, headers, document = taken_apart(refusals.answer(raised, "10.0.0.1"))

    assert line.startswith("HTTP/1.1 500 ")
    assert "secret" not in str(document)
    assert document["request_id"] == headers["X-Request-Id"] == caplog.records[0].request_id
    assert raised is caplog.records[0].exc_info[1]


def test_a_flood_does_not_flood_the_log(refusals, caplog, clock):
    """What is left out is counted."""
    for _ in range(50):
        refusals.answer(InvalidRequestLine("seven"), "10.0.0.1")
    clock.now = 1.0
    refusals.answer(InvalidRequestLine("seven"), "10.0.0.1")

    assert 11 == len(caplog.records)
    assert caplog.records[-1].message.endswith(", after 40 more that are not logged")
