"""The listening end: whoever was let in by the kernel is served, before and at the end."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent import socket
from gevent.pool import Pool

from app.draining_server import DrainingServer

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
