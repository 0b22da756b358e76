"""The load generator's HTTP: it reads answers exactly, and guesses at nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.benchmarks.scenarios.wire import JSON, Connection, LostError, request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
REFUSED = b"HTTP/1.1 429 SLOW DOWN\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True


def asked(*received, ended=False):
    """Ask once while these bytes come; gives the reply and the connection."""

    async def ask():
        connection = Connection()
        connection.connection_made(Wire())
        asking = asyncio.ensure_future(connection.ask(b"?"))
        await asyncio.sleep(0)  # it asks
        for data in received:
            connection.data_received(data)
        if ended:
            connection.connection_lost(None)
        return await asking, connection

    return asyncio.run(ask())


@pytest.mark.parametrize("cut", range(1, len(OK)))
def test_an_answer_in_two_pieces_is_put_together(cut):
    """Wherever it is cut."""
    reply, connection = asked(OK[:cut], OK[cut:])

    assert (200, b"hi", None) == (reply.status, reply.body, reply.header("Retry-After"))
    assert connection.open


def test_headers_are_found_in_any_case():
    """Servers write them as they like."""
    reply, _ = asked(REFUSED)

    assert (429, "3") == (reply.status, reply.header("Retry-After"))


def test_a_connection_serves_one_request_after_the_other():
    """Each answer goes to its own request."""

    async def ask_twice():
        connection = Connection()
        connection.connection_made(Wire())
        statuses = []
        for data in (OK, REFUSED):
            asking = asyncio.ensure_future(connection.ask(b"?"))
            await asyncio.sleep(0)  # it asks
            connection.data_received(data)
            statuses.append((await asking).status)
        return statuses

    assert [200, 429] == asyncio.run(ask_twice())


def test_a_last_answer_closes_the_connection():
    """It may not be used again once the server has said so."""
    reply, connection = asked(LAST)

    assert reply.closes
    assert not connection.open
    with pytest.raises(LostError, match="closed before the request was sent"):
        asyncio.run(connection.ask(b"?"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (OK + b"x", "more bytes than the answer has"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "an answer without Content-Length"),
        (b"SSH-2.0 hello\r\nContent-Length: 0\r\n\r\n", "an answer that is not HTTP/1.1"),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(answer, sentence):
    """The connection is given up, and the request is lost."""
    with pytest.raises(LostError, match=sentence):
        asked(answer)


@pytest.mark.parametrize(
    ("received", "sentence"), [([], "^closed$"), ([OK[:-1]], "^closed within an answer$")]
)
def test_the_end_of_the_connection_loses_the_request(received, sentence):
    """With or without a part of the answer."""
    with pytest.raises(LostError, match=sentence):
        asked(*received, ended=True)


def test_whoever_stops_waiting_gives_the_connection_up():
    """Else the late answer would be taken for the next request's."""

    async def give_up():
        connection, wire = Connection(), Wire()
        connection.connection_made(wire)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await connection.ask(b"?")
        return connection.open, wire.aborted

    assert (False, True) == asyncio.run(give_up())


def test_requests_are_written_as_they_should_be():
    """A body has its kind and length, and names of headers their hyphens."""
    expected = b"POST /predict HTTP/1.1\r\nHost: glyph\r\nX-Request-Id: 7\r\n"
    expected += b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    assert expected == request("/predict", b"{}", JSON, X_Request_Id=7)
    assert b"GET /readyz HTTP/1.1\r\nHost: glyph\r\n\r\n" == request("/readyz")
