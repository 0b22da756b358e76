"""The gate before a server, which is shut while clients go through it."""

from __future__ import annotations

import errno
import gc
import socket
import threading

from tests.benchmarks.scenarios.s3 import Gate
from tests.service import free_port


def test_no_connection_is_lost_when_a_gate_shuts(recwarn):
    """Those that it has just accepted end as well: asyncio warns of any that nobody closed."""
    gate, over = Gate(free_port()), threading.Event()

    def hammer():
        while not over.is_set():
            _connect(gate)

    clients = [threading.Thread(target=hammer) for _ in range(4)]
    with gate:
        for client in clients:
            client.start()
        for _ in range(30):
            gate.shut()
            gate.open()
        over.set()
        for client in clients:
            client.join(10)

    gc.collect()
    assert [] == [str(warning.message) for warning in recwarn]


def test_a_shut_gate_refuses():
    """Until it is opened again."""
    with Gate(free_port()) as gate:
        gate.shut()
        shut = _connect(gate)
        gate.open()

        assert (errno.ECONNREFUSED, 0) == (shut, _connect(gate))


def _connect(gate):
    with socket.socket() as client:
        client.settimeout(10)
        return client.connect_ex(("127.0.0.1", gate.port))
