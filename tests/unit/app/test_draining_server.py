"""The listening end: whoever was let in by the kernel is served, before and at the end."""

from __future__ import annotations

import contextlib
import logging

import gevent
import pytest
from gevent import socket, ssl
from gevent.pool import Pool

from app.draining_server import DrainingServer
from tests.certificates import make_certificate

SAFETY_S = 10
"""How long anything may take before a test gives up; nothing takes that long."""


@pytest.fixture(autouse=True)
def give_up():
    """End a conversation that hangs."""
    with gevent.Timeout(SAFETY_S):
        yield


@pytest.fixture
def listener():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener


@pytest.fixture
def server(listener):
    """A server that tells each client the address that it came to, and whether it is open yet."""

    def handle(address, client, _peer):
        client.sendall(repr(address.getsockname()).encode())

    server = DrainingServer(
        listener,
        spawn=Pool(16),
        handler_class=handle,
        application=None,
        log=logging.getLogger(),
        environ={},
    )
    yield server
    server.close()


def connect(listener):
    return socket.create_connection(listener.getsockname(), timeout=SAFETY_S)


def test_connections_are_handed_on(listener, server):
    """With the address that they came to."""
    server.start()
    with connect(listener) as client:
        assert repr(listener.getsockname()).encode() == client.recv(100)


def test_those_who_wait_are_served_at_the_end(listener, server):
    """The kernel has told them that they are connected; later ones are refused."""
    address = listener.getsockname()
    server.start()
    clients = [connect(listener) for _ in range(5)]
    server.close()

    for client in clients:
        with client:
            assert repr(address).encode() == client.recv(100)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=SAFETY_S)


def test_closing_twice_is_no_fault(server):
    """A worker that is killed at the end closes once more."""
    server.start()
    server.close()
    server.close()


@pytest.fixture
def secure_server(listener, tmp_path):
    """A server that speaks TLS, and the context of a client that trusts it."""
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = DrainingServer(
        listener,
        spawn=Pool(16),
        handler_class=lambda _address, client, _peer: client.sendall(b"well"),
        application=None,
        log=logging.getLogger("server"),
        environ={},
        ssl_context=context,
    )
    server.start()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(certificate.cert)
    yield trusting
    server.close()


def test_a_client_agrees_on_keys_first(listener, secure_server):
    """Then it is handed on."""
    with secure_server.wrap_socket(connect(listener), server_hostname="127.0.0.1") as client:
        assert b"well" == client.recv(100)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"", b"\x16\x03\x01"], ids=["plain", "silent", "started"]
)
def test_a_client_that_does_not_agree_is_let_go(listener, secure_server, monkeypatch, caplog, sent):
    """In a bounded time, and without a fuss: others are served."""
    caplog.set_level(logging.DEBUG, "server")
    monkeypatch.setattr("app.draining_server._HANDSHAKE_S", 0.05)
    with connect(listener) as client:
        client.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(100):
                pass
    with secure_server.wrap_socket(connect(listener), server_hostname="127.0.0.1") as client:
        assert b"well" == client.recv(100)

    (record,) = [record for record in caplog.records if record.name == "server"]
    assert ("DEBUG", True) == (record.levelname, "a TLS handshake failed" in record.message)
