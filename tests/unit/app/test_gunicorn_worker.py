"""What the web workers put on the wire."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from app.gunicorn_worker import LeanWorker, WholeResponse


class FakeSocket:
    """Notes what is sent, packet by packet."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.packets.append(bytes(data))


@pytest.fixture
def sock():
    return FakeSocket()


def make_request(method: str = "GET") -> SimpleNamespace:
    return SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)


@pytest.fixture
def answer(sock):
    """Give a function that answers a request; gives the packets as (head, body) text."""

    def run(*parts: bytes, method="GET", status="200 OK", headers=()):
        response = WholeResponse(make_request(method), sock, Config())
        response.start_response(status, list(headers))
        for part in parts:
            response.write(part)
        response.close()
        return [packet.partition(b"\r\n\r\n") for packet in sock.packets]

    return run


def length(content: bytes) -> tuple[str, str]:
    return ("Content-Length", str(len(content)))


def test_head_and_body_are_one_packet(answer):
    """A small answer is one write."""
    [(head, _, body)] = answer(b"seven", headers=[length(b"seven")])

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 5" in head
    assert b"seven" == body


def test_what_follows_goes_out_as_it_comes(answer, sock):
    """Only the first part of a body waits for the head."""
    answer(b"sev", b"en", headers=[length(b"seven")])

    assert 2 == len(sock.packets)
    assert b"en" == sock.packets[1]


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 NM")]
)
def test_an_answer_without_a_body_is_its_head(answer, method, status):
    """The head is sent once, at the end."""
    [(head, end, body)] = answer(method=method, status=status)

    assert head.startswith(f"HTTP/1.1 {status}".encode())
    assert (b"\r\n\r\n", b"") == (end, body)


def test_a_body_of_unknown_length_is_chunked(answer, sock):
    """Framed as gunicorn frames it, with the last chunk."""
    answer(b"sev", b"en")

    assert b"3\r\nsev\r\n2\r\nen\r\n0\r\n\r\n" == b"".join(sock.packets).partition(b"\r\n\r\n")[2]


class Worker(LeanWorker):
    """The part of a worker that a request needs."""

    def __init__(self, application, *, alive=True) -> None:
        self.wsgi = application
        self.alive = alive
        self.cfg = Config()
        self.log = logging.getLogger("worker")

    def answer(self, sock) -> None:
        request = make_request()
        request.headers, request.path, request.query = [], "/", ""
        request.uri, request.scheme, request.body = "/", "http", None
        request.proxy_protocol_info, request._expected_100_continue = None, False
        self.handle_request(("127.0.0.1", 80), request, sock, ("127.0.0.1", 1))


def application(*parts, fail=False):
    def run(_environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        yield from parts
        if fail:
            raise ZeroDivisionError

    return run


def test_a_connection_stays_open_after_an_answer(sock):
    """The answer says so, and nothing is raised."""
    Worker(application(b"seven")).answer(sock)

    assert b"Connection: keep-alive" in sock.packets[0]


def test_a_worker_that_ends_closes_its_connections(sock):
    """The last answer says so."""
    with pytest.raises(StopIteration):
        Worker(application(b"seven"), alive=False).answer(sock)

    assert b"Connection: close" in sock.packets[0]


def test_an_answer_that_breaks_off_ends_the_connection(sock, caplog):
    """Nothing is sent that could be taken for the rest of it."""
    with pytest.raises(StopIteration):
        Worker(application(b"sev", fail=True)).answer(sock)

    assert ["an answer broke off"] == caplog.messages
    assert 1 == len(sock.packets)


def test_a_failure_before_the_first_byte_is_gunicorns_to_answer(sock):
    """Nothing was sent, so an error can be."""
    with pytest.raises(ZeroDivisionError):
        Worker(application(fail=True)).answer(sock)

    assert [] == sock.packets
