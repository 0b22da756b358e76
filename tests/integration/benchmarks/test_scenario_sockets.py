"""Which clients a process is connected to, asked of the kernel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.benchmarks.scenarios.sockets import client_ports, kill_knowing_clients

ACCEPT_ONE = """\
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    accepted, _ = server.accept()
    print("accepted", flush=True)
    accepted.recv(1)
"""


@pytest.fixture
def server():
    """Run a process that accepts one connection and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", ACCEPT_ONE], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_a_killed_process_leaves_the_ports_of_its_clients(server):
    """The one that it accepted, and not the one that still waits to be."""
    address = ("127.0.0.1", int(server.stdout.readline()))
    with socket.create_connection(address, 10) as client:
        assert "accepted\n" == server.stdout.readline()
        with socket.create_connection(address, 10):
            ports = kill_knowing_clients(server.pid)

        assert {client.getsockname()[1]} == ports
    assert -signal.SIGKILL == server.wait(10)


def test_a_client_is_no_client_of_itself(server):
    """Only the accepting end names the client."""
    address = ("127.0.0.1", int(server.stdout.readline()))
    with socket.create_connection(address, 10) as client:
        assert client.getsockname()[1] not in client_ports(os.getpid())
