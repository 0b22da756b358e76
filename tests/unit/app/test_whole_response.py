"""What the web workers put on the wire."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader

from app.whole_response import WholeResponse


class FakeSocket:
    """Notes what is sent, packet by packet; may take only so much at once."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.takes = 2**20

    def send(self, data: bytes) -> int:
        self.packets.append(bytes(data[: self.takes]))
        return len(self.packets[-1])

    def sendall(self, data: bytes) -> None:
        self.packets.append(bytes(data))


@pytest.fixture
def sock():
    return FakeSocket()


@pytest.fixture
def answer(sock):
    """Give a function that answers a request; gives the packets as (head, body)."""

    def run(*parts: bytes, method="GET", status="200 OK", headers=()):
        request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
        response = WholeResponse(request, sock, Config())
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
    [(head, _, body)] = answer(b"seven", headers=[length(b"seven"), ("X-Request-Id", "a")])

    lines = head.split(b"\r\n")
    assert b"HTTP/1.1 200 OK" == lines[0]
    assert {b"Content-Length: 5", b"X-Request-Id: a", b"Connection: keep-alive"} <= set(lines)
    assert b"seven" == body


def test_the_head_names_the_time(answer, monkeypatch):
    """Of this answer, also when it was asked for a second ago."""
    dates = []
    for second in (0, 0, 86400):
        monkeypatch.setattr("time.time", lambda second=second: second + 0.5)
        dates.append(answer(b"", headers=[length(b"")])[-1][0].split(b"\r\n")[2])

    assert [
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Date: Fri, 02 Jan 1970 00:00:00 GMT",
    ] == dates


def test_what_the_socket_does_not_take_at_once_follows(answer, sock):
    """Nothing is lost, nothing is sent twice."""
    sock.takes = 10
    answer(b"seven", headers=[length(b"seven")])

    head, _, body = b"".join(sock.packets).partition(b"\r\n\r\n")
    assert 1 == head.count(b"HTTP/1.1")
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

    head, _, body = b"".join(sock.packets).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"3\r\nsev\r\n2\r\nen\r\n0\r\n\r\n" == body


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Other"])
@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0b"])
def test_a_value_cannot_end_its_header(answer, sock, name, value):
    """Whatever the name, nothing of it is sent."""
    with pytest.raises(InvalidResponseHeader):
        answer(b"", headers=[(name, value)])

    assert [] == sock.packets
