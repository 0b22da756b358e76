"""Answers that are final when they are made."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask

from app.web.http.buffered_response import BufferedResponse

TEXT = ("Content-Type", "text/plain")
JSON = ("Content-Type", "application/json")


@pytest.fixture
def make_client():
    """Return a function that makes a client of an application with one answer."""

    def run(response):
        app = Flask(__name__, static_folder=None)
        app.add_url_rule("/", view_func=lambda: response)
        return app.test_client()

    return run


def test_it_is_sent_as_it_is(make_client):
    """With its length, and nothing that Flask would add."""
    answer = make_client(BufferedResponse(b"seven", [TEXT])).get("/")

    assert (200, b"seven") == (answer.status_code, answer.data)
    assert {"Content-Type": "text/plain", "Content-Length": "5"} == dict(answer.headers)


@pytest.mark.parametrize("status", [200, 404, 429, 500])
def test_it_has_its_status(make_client, status):
    """With the phrase that belongs to it."""
    response = BufferedResponse(b"", [TEXT], status)

    assert status == response.status_code == make_client(response).get("/").status_code


def test_one_without_content_has_no_length(make_client):
    """HTTP forbids it (RFC 9110, section 8.6)."""
    answer = make_client(BufferedResponse(b"", [("Allow", "GET")], 204)).get("/")

    assert (204, {"Allow": "GET"}) == (answer.status_code, dict(answer.headers))


def test_a_large_one_is_packed_for_each_request_as_it_accepts(make_client):
    """The response itself stays what it was."""
    body = b"[" + b"1," * 20_000 + b"1]"
    response = BufferedResponse(body, [JSON])
    packed, headers = response.final({"HTTP_ACCEPT_ENCODING": "gzip"})
    plain, _ = response.final({})

    assert (body, body) == (gzip.decompress(packed), plain)
    assert ("Content-Length", str(len(packed))) == headers[-1]
    client = make_client(response)
    assert packed == client.get("/", headers={"Accept-Encoding": "gzip"}).data
    assert body == client.get("/").data
