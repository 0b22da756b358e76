"""Bodies are received on the event loop, within bounds on size, time and memory."""

from __future__ import annotations

import asyncio
import io

import pytest

from app.server.front.asgi_types import Received
from app.server.front.body_reception import BodyReception
from app.web.http import held_bodies as module
from app.web.http.environ import STARTED
from app.web.http.errors import BadInputError, OverloadedError, ServiceError, SlowBodyError
from app.web.http.held_bodies import held_bodies
from app.web.http.request_body import FailedBody

MOST_BYTES = 10
TIMEOUT_MS = 5000


SILENT, GONE = "silent", "gone"


class Client:
    """Sends pieces of a body as they are asked for."""

    def __init__(self, *pieces, then=None) -> None:
        """Create one.

        Args:
            pieces: What it sends; the last one is the end unless it does something else then.
            then: It is silent, or has gone.
        """
        self._pieces = list(pieces)
        self._then = then
        self.received = Received()
        self.asked = 0

    async def receive(self):
        """Stand for ASGI's."""
        self.asked += 1
        if self._pieces:
            piece = self._pieces.pop(0)
            more = bool(self._pieces or self._then)
            return {"type": "http.request", "body": piece, "more_body": more}
        if self._then == SILENT:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}


@pytest.fixture
def reception(clock):
    return BodyReception(clock, timeout_ms=TIMEOUT_MS, max_body_bytes=MOST_BYTES)


@pytest.fixture
def receive(reception, clock):
    """Return a function that receives the body of a request; it returns the body or the error."""

    def run(client, **headers):
        environ = {STARTED: clock.now} | headers

        async def wait():
            try:
                return await reception.receive(environ, client.receive, client.received)
            finally:
                held_bodies.release(environ)

        return asyncio.run(wait())

    return run


def failure(body):
    """Return the error that a view gets when it reads a body."""
    assert isinstance(body, FailedBody)
    with pytest.raises(ServiceError) as caught:
        body.read()
    return caught.value


@pytest.mark.parametrize(
    "pieces", [(b"",), (b"1234",), (b"1", b"", b"234", b""), (b"12345", b"67890")], ids=str
)
def test_a_body_is_received_to_its_end(receive, pieces):
    """In however many pieces it comes."""
    body = receive(Client(*pieces))

    assert io.BytesIO is type(body)
    assert b"".join(pieces) == body.getvalue()


def test_no_more_is_received_of_a_body_that_is_too_large(receive):
    """It is handed on as it is: the view says by what it is too large."""
    client = Client(*[b"1234"] * 9)
    body = receive(client)

    assert (12, 3) == (len(body.getvalue()), client.asked)


@pytest.mark.parametrize(
    ("length", "too_large"), [(None, False), ("", False), ("10", False), ("11", True)]
)
def test_a_length_over_the_bound_is_seen_before_the_body(reception, length, too_large):
    """The client need not send it."""
    environ = {} if length is None else {"CONTENT_LENGTH": length}

    assert too_large == reception.is_too_large(environ)


@pytest.mark.parametrize("pieces", [(), (b"1",)], ids=["nothing", "a piece"])
def test_a_body_that_does_not_arrive_is_not_waited_for(receive, pieces):
    """The caller's deadline is the body's as well."""
    found = failure(receive(Client(*pieces, then=SILENT), HTTP_X_REQUEST_TIMEOUT_MS="20"))

    assert (SlowBodyError, "the body did not arrive within 0.02 s") == (type(found), str(found))


def test_the_deadline_of_a_request_that_names_none_is_the_bodys_too(receive, clock):
    """It counts from the request's head on."""
    environ = {STARTED: clock.now}
    clock.tick(TIMEOUT_MS / 1000)
    found = failure(receive(Client(then=SILENT), **environ))

    assert "the body did not arrive within 5 s" == str(found)


def test_a_body_has_half_a_minute_whatever_the_caller_would_wait(receive, clock):
    """A place is not given away for a minute to whoever sends slowly."""
    environ = {STARTED: clock.now, "HTTP_X_REQUEST_TIMEOUT_MS": "60000"}
    clock.tick(30)
    found = failure(receive(Client(then=SILENT), **environ))

    assert "the body did not arrive within 30 s" == str(found)


def test_what_is_here_already_is_taken_though_its_time_is_over(receive, clock):
    """Nobody waits for it."""
    environ = {STARTED: clock.now}
    clock.tick(60)

    assert b"123" == receive(Client(b"12", b"3"), **environ).getvalue()


def test_a_deadline_that_is_none_is_told_without_waiting(receive):
    """By the view, which finds the same."""
    client = Client()
    found = failure(receive(client, HTTP_X_REQUEST_TIMEOUT_MS="soon"))

    assert (BadInputError, 0) == (type(found), client.asked)
    assert str(found).startswith("header X-Request-Timeout-Ms is 'soon'; whole milliseconds")


def test_a_body_that_is_malformed_is_told_with_what_is_wrong(receive):
    """The connection knows."""
    client = Client()
    client.received.trouble = "Invalid chunk size: b'zz'"
    found = failure(receive(client))

    assert (BadInputError, "the body cannot be read: Invalid chunk size: b'zz'") == (
        type(found),
        str(found),
    )


@pytest.mark.parametrize("pieces", [(), (b"12",)], ids=["before", "amid"])
def test_a_client_that_goes_away_ends_its_request(receive, pieces):
    """Whether or not its task has been told so; there is nobody to answer."""
    with pytest.raises(asyncio.CancelledError):
        receive(Client(*pieces, then=GONE))


def test_what_bodies_take_is_bounded_together(receive, monkeypatch):
    """The one that is too much is told so; what others hold stays counted."""
    monkeypatch.setattr(module, "_LIMIT", 8)
    held_bodies.take(other := {}, 5)
    found = failure(receive(Client(b"12", b"34", b"5")))

    assert (OverloadedError, 5) == (type(found), held_bodies.bytes)
    held_bodies.release(other)
    assert b"12345" == receive(Client(b"12", b"34", b"5")).getvalue()


def test_a_body_that_came_with_its_head_is_counted_if_it_is_large(reception):
    """A thousand small ones are of no weight."""
    small, large = {}, {}
    bodies = [reception.whole(small, bytes(2**14)), reception.whole(large, bytes(2**14 + 1))]
    counted = held_bodies.bytes
    held_bodies.release(large)

    assert [2**14, 2**14 + 1] == [len(body.getvalue()) for body in bodies]
    assert (2**14 + 1, 0) == (counted, held_bodies.bytes)


def test_a_large_one_is_refused_where_others_take_too_much(reception, monkeypatch):
    """As if it came in pieces."""
    monkeypatch.setattr(module, "_LIMIT", 8)
    held_bodies.take(other := {}, 5)
    found = failure(reception.whole({}, bytes(2**15)))
    held_bodies.release(other)

    assert OverloadedError is type(found)
