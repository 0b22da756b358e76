"""What a client is told that sends no HTTP, or more than is wanted, and that it can read it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from functools import partial

import pytest

from app.server.connections.http_connection import HttpConnection
from tests.unit.app.worker_fakes import (
    chunked,
    head,
    post,
    tcp,
    until,
)

UNREADABLE = "the request cannot be read: "


@tcp
@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        (b"seven\r\n\r\n", 400, UNREADABLE + "Invalid request line"),
        (b"get / HTTP/1.1\r\n\r\n", 400, UNREADABLE + "method 'get' is not allowed"),
        (b"GET / HTTP/2.0\r\n\r\n", 400, UNREADABLE + "HTTP version 'HTTP/2.0' is not allowed"),
        (head(b"GET", b"/", b"a b: c"), 400, UNREADABLE + "header name 'a b' is not allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, UNREADABLE + "Missing Host header"),
        (head(b"GET", b"/", b"Host: b"), 400, UNREADABLE + "Duplicate host header"),
        (
            head(b"GET", b"/", b"Content-Length: " + b"9" * 5000),
            400,
            UNREADABLE + "Content-Length has thousands of digits",
        ),
        (
            head(b"GET", b"/", b"Content-Length: 1", b"Content-Length: 2"),
            400,
            UNREADABLE + "Duplicate Content-Length header",
        ),
        (
            head(b"GET", b"/" + b"x" * 5000),
            414,
            "the request line is longer than 4094 bytes",
        ),
        (
            head(b"GET", b"/", *[b"a: b"] * 101),
            431,
            "there are over 100 headers, or one is longer than 8190 bytes",
        ),
        (
            head(b"GET", b"/", b"a: " + b"b" * 9000),
            431,
            "there are over 100 headers, or one is longer than 8190 bytes",
        ),
        (
            head(b"POST", b"/", b"Expect: gold", b"Content-Length: 5"),
            417,
            "Expect is 'gold'; 100-continue is expected, or nothing",
        ),
        (
            head(b"POST", b"/", b"Transfer-Encoding: br, chunked"),
            501,
            "transfer coding 'br' is not allowed; chunked is expected, or nothing",
        ),
        (
            head(b"POST", b"/", b"Transfer-Encoding: gzip, chunked"),
            501,
            "transfer coding 'gzip, chunked' is not allowed; chunked is expected, or nothing",
        ),
        (
            head(b"POST", b"/", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
            501,
            "transfer coding 'gzip,chunked' is not allowed; chunked is expected, or nothing",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(
    client, application, sent, status, sentence
):
    """In the shape of all errors, also when good ones came before it."""
    client.ask(post())
    answer = client.ask(sent)

    assert (status, "close") == (answer.status, answer.headers["connection"])
    assert {"error": sentence, "code": CODES[status]} == json.loads(answer.body)
    assert b"" == client.rest()
    assert [b"seven"] == application.bodies


@tcp
@pytest.mark.parametrize("asked", [(b"Expect: gold",), ()], ids=["another expectation", "no host"])
def test_clients_of_http_1_0_are_asked_for_less(client, asked):
    """They know neither."""
    old = head(b"GET", b"/", *asked).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: a\r\n", b"")

    assert 200 == client.ask(old).status


def test_nonsense_is_answered_over_tls_too(client):
    """Where it ends the connection as well."""
    assert 400 == client.ask(b"seven\r\n\r\n").status
    assert b"" == client.rest()


LARGE = bytes(9 * 10**6)


CODES = {
    400: "request.unreadable",
    414: "request.line_too_long",
    431: "request.headers_too_large",
    417: "request.unsupported",
    501: "request.unsupported",
}


@pytest.mark.parametrize("status", [401, 404, 413, 415])
@pytest.mark.parametrize(
    "data", [post(LARGE), chunked(*[bytes(90_000)] * 100)], ids=["whole", "chunked"]
)
def test_a_client_that_sends_all_before_it_reads_gets_its_answer(client, application, data, status):
    """Though nothing of a large body is wanted: a closed connection would take the answer back."""
    application.reads, application.status = False, status
    client.send(data)
    answer = client.receive()

    assert (status, "close") == (answer.status, answer.headers["connection"])
    assert b"" == client.rest()


def test_so_does_one_whose_head_is_refused(client):
    """However large it is."""
    client.send(head(b"GET", b"/", b"a: " + b"b" * 10**7))

    assert 431 == client.receive().status
    assert b"" == client.rest()


def test_a_client_that_never_stops_sending_is_let_go(client, worker, monkeypatch):
    """However much comes after its refusal."""
    monkeypatch.setattr("app.server.connections.connection_table._LONGEST_LINGER_S", 0.0)
    with pytest.raises(OSError, match=r"reset|[Bb]roken|EOF"):
        client.send(b"nonsense\r\n" * 10**7)
    until(lambda: not worker.doing()["open"])


@tcp
def test_one_that_falls_silent_is_let_go_too(client, worker, monkeypatch):
    """It has had the time to read its answer."""
    client.ask(b"seven\r\n\r\n")
    assert 1 == worker.doing()["lingering"]
    monkeypatch.setattr("app.server.connections.connection_table._LINGER_S", 0.0)

    until(lambda: not worker.doing()["open"])


@tcp
def test_what_it_still_sends_is_not_looked_at(client, worker, caplog):
    """It has been refused."""
    caplog.set_level(logging.INFO, "app.server.connections.bad_request")
    client.ask(b"seven\r\n\r\n")
    (connection,) = worker.connections.open
    worker.on_loop(partial(connection.data_received, b"eight\r\n\r\n"))

    assert 1 == len(caplog.messages)


WAITING = head(b"POST", b"/", b"Content-Length: 5", b"Expect: 100-continue")


def test_a_client_that_waits_with_its_body_is_told_to_send_it(client):
    """Once something asks for the body."""
    client.send(WAITING)
    assert (100, {}, b"") == client.receive()
    client.send(b"seven")

    assert (200, b"seven") == client.receive()[::2]


def test_a_client_that_waits_is_refused_at_once(client, application):
    """It need not send what nobody wants."""
    application.reads, application.status = False, 413
    answer = client.ask(WAITING)

    assert (413, "close") == (answer.status, answer.headers["connection"])


@tcp
def test_one_that_does_not_wait_is_not_told(client):
    """Its body is here."""
    assert (200, b"seven") == client.ask(WAITING + b"seven")[::2]


@tcp
def test_chunks_of_one_byte_are_bounded(client):
    """Each costs as much as a large one, so that few clients could keep the others waiting."""
    answer = client.ask(chunked(*[b"x"] * 400_000))

    assert 400 == answer.status
    expected = "chunks have 1 bytes on average; at least 64 are expected where there are over 1024"
    assert answer.body.decode().endswith(expected)


@tcp
@pytest.mark.parametrize(
    "chunks",
    [[b"x"] * 1000, [b"x" * 64] * 5000, [b"x"] * 1000 + [b"x" * 10**6] + [b"x"] * 10_000],
    ids=["few", "of some size", "beside a large one"],
)
def test_usual_chunks_are_taken(client, chunks):
    """As those of a client that writes as it goes."""
    assert b"".join(chunks) == client.ask(chunked(*chunks)).body


@tcp
def test_one_large_chunk_may_come_in_any_pieces(client, worker):
    """The network cuts it as it likes."""
    client.ask(post())
    (connection,) = worker.connections.open
    for byte in chunked(b"x" * 3000):
        worker.on_loop(partial(connection.data_received, bytes([byte])))

    assert 200 == client.receive().status


@tcp
@pytest.mark.parametrize(
    "slow",
    [
        chunked(*[b"x" * 64] * 3000),
        post(b"first") + chunked(*[b"x" * 64] * 3000),
        head(b"GET", b"/slow", *[b"a: " + b"b" * 8000] * 90),
    ],
    ids=["chunks", "chunks behind another request", "head"],
)
def test_what_is_costly_to_parse_leaves_others_their_turns(client, worker, monkeypatch, slow):
    """It is not parsed at once, but a little in each turn of the loop."""
    turns, parsed = [0], []

    def count() -> None:
        turns[0] += 1
        worker.loop.call_soon(count)

    def parse(connection, data: bytes) -> None:
        parsed.append((connection._callback_parser._state, turns[0], len(data)))
        really_parse(connection, data)

    really_parse = HttpConnection._parse
    monkeypatch.setattr(HttpConnection, "_parse", parse)
    worker.on_loop(count)
    assert 200 == client.ask(slow).status
    until(lambda: not worker.doing()["receiving"])
    costly: Counter[int] = Counter()
    for state, turn, size in parsed:
        costly[turn] += size if state not in ("body", "complete") else 0

    assert costly.total() > 200_000
    assert 2 * 16_384 >= max(costly.values())


@tcp
def test_a_body_that_is_cheap_to_parse_is_not_cut(client, monkeypatch):
    """Large ones of one length are quickly copied."""
    sizes = []
    really_parse = HttpConnection._parse
    monkeypatch.setattr(
        HttpConnection,
        "_parse",
        lambda connection, data: (sizes.append(len(data)), really_parse(connection, data)),
    )
    assert LARGE == client.ask(post(LARGE)).body

    assert len(sizes) < 500
