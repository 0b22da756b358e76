"""The client against servers that are slow on purpose: no call outlasts its timeout by much."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import threading
import time

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glyph_client import AsyncGlyph, DeadlineError, Glyph, GlyphError, UnreachableError
from tests.certificates import make_certificate

TIMEOUT_S = 0.5
MUCH_S = 10.0
"""Far more than a call takes that ends in time, far less than one that goes on with its server."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
IMAGE = np.zeros((28, 28), np.uint8)
MANY = [np.zeros((1000, 1000), np.uint8)] * 4
"""In one request of 4 MB: more than the kernel's buffers hold."""


class Server:
    """Has each connection answered by a function, in a thread of its own."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=[self._listener.accept()[0]], daemon=True
                ).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            self._answer(connection)


def drip(data):
    """Send the data, then one byte of nothing again and again."""

    def answer(connection):
        connection.recv(65536)
        connection.sendall(data)
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    return answer


def flood(connection):
    """Announce an answer for ever."""
    connection.recv(65536)
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


def sip(connection):
    """Take a little of what is sent, again and again."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    while connection.recv(8192):
        time.sleep(0.1)


def busy(connection):
    """Refuse for now, slowly, and for as long as it is asked."""
    while connection.recv(65536):
        time.sleep(0.1)
        connection.sendall(b"HTTP/1.1 503 S\r\nContent-Length: 2\r\n\r\n{}")


def silent(connection):
    """Take everything, and say nothing."""
    while connection.recv(65536):
        pass


def blocking(url, images):
    with Glyph(url, timeout=TIMEOUT_S, retries=9) as glyph:
        return glyph.predict(images)


def awaited(url, images):
    async def ask():
        async with AsyncGlyph(url, timeout=TIMEOUT_S, retries=9) as glyph:
            return await glyph.predict(images)

    return asyncio.run(ask())


@contextlib.contextmanager
def soon():
    """Expect the block to end soon."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < MUCH_S


@pytest.fixture(params=[blocking, awaited])
def ask(request):
    return request.param


@pytest.mark.parametrize(
    ("answer", "images"),
    [
        (drip(b"HTTP/1.1 200 OK"), IMAGE),
        (drip(HEAD + b"X-A: "), IMAGE),
        (drip(HEAD + b"Content-Length: 100000\r\n\r\n{"), IMAGE),
        (drip(HEAD + b"\r\n{"), IMAGE),
        (drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n{"), IMAGE),
        (flood, IMAGE),
        (sip, MANY),
        (silent, IMAGE),
    ],
    ids=["status", "head", "body", "until-closed", "chunk", "1xx", "sip", "silent"],
)
def test_a_call_ends_with_its_timeout(ask, answer, images):
    """However little the server sends or takes at a time."""
    with (
        Server(answer) as server,
        soon(),
        pytest.raises(DeadlineError, match=r"did not answer within 0\.5 s"),
    ):
        ask(f"http://{server.address}", images)


def test_refusals_end_with_the_timeout(ask):
    """Tries and pauses count."""
    with Server(busy) as server, soon(), pytest.raises(GlyphError) as error:
        ask(f"http://{server.address}", IMAGE)

    assert error.value.status in (503, None)


def test_a_handshake_ends_with_the_timeout():
    """The server takes what TLS says first, and drips a record."""
    with Server(drip(b"\x16\x03\x03\x40\x00")) as server, soon(), pytest.raises(GlyphError):
        blocking(f"https://{server.address}", IMAGE)


def test_a_name_that_is_never_found_is_not_waited_for(monkeypatch):
    """A resolver has its own patience, of up to half a minute."""
    found = threading.Event()

    def look_up(*_question, **_options):
        found.wait(60)
        raise socket.gaierror("not found")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with soon(), pytest.raises(UnreachableError, match=r"no connection to http://glyph\.test"):
            blocking("http://glyph.test", IMAGE)
    finally:
        found.set()


def test_all_addresses_of_a_name_share_the_time(monkeypatch):
    """Here are forty of which none takes a connection, and each could be tried for a while."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        contextlib.ExitStack() as filled,
    ):
        for _ in range(4):  # what the kernel would take without its owner
            waiting = filled.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        known = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_question, **_options: [known] * 40)

        with soon(), pytest.raises(UnreachableError, match="no connection to"):
            blocking("http://glyph.test", IMAGE)


def test_tls_is_bounded_in_each_step(tmp_path):
    """A body of many small records ends in time, like one without TLS."""
    files = make_certificate(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    dripping = drip(HEAD + b"\r\n{")

    def answer(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            dripping(secure)

    transport = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=files.cert))
    with (
        Server(answer) as server,
        Glyph(f"https://{server.address}", timeout=TIMEOUT_S, transport=transport) as glyph,
        soon(),
        pytest.raises(DeadlineError),
    ):
        glyph.predict(IMAGE)


@settings(max_examples=40)
@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([HEAD, b"\r\n", b"{", b"0\r\n\r\n"])),
    st.booleans(),
    st.sampled_from([blocking, awaited]),
)
def test_any_bytes_are_an_error_of_the_clients_in_time(pieces, stays, by):
    """Whatever comes, in whichever pieces, and whether the connection ends or not."""

    def answer(connection):
        connection.recv(65536)
        for piece in itertools.chain(pieces, [b""]):
            connection.sendall(piece)
            time.sleep(0.001)
        if stays:
            connection.recv(1)

    with Server(answer) as server, soon(), pytest.raises(GlyphError):
        by(f"http://{server.address}", IMAGE)
