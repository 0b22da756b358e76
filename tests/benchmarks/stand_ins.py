"""What stands around a web worker while it alone is measured: clients and a model host.

They are processes of their own, so that they take no turns from the worker's interpreter.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from multiprocessing import get_context
from typing import TYPE_CHECKING, Self

from app.ipc.frames import Answer, FrameReader, Kind, Predict, encode, encode_outcome
from tests.in_process import InstantChannel

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from app.ipc.status import HostStatus
    from app.web.host_client.client import Prediction

_READ_BYTES = 256 * 1024
_TIMEOUT_S = 60
_PROCESSES = get_context("spawn")  # forked, they would hold the worker's sockets


class Clients:
    """Send one request again and again over a few connections, each after the last's answer."""

    def __init__(self, request: bytes) -> None:
        self._orders, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_ask, args=(theirs, request), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._orders.send(None)
        self._process.join(_TIMEOUT_S)

    def start(self, address: tuple[str, int], connections: int, count: int) -> None:
        """Connect, send so many requests over each connection and go; does not wait for it."""
        self._orders.send((address, connections, count))


def _ask(orders: Connection, request: bytes) -> None:
    while order := orders.recv():
        address, number, count = order
        with ExitStack() as held:
            connections = [socket.create_connection(address, _TIMEOUT_S) for _ in range(number)]
            for connection in connections:
                held.enter_context(connection)
            for _ in range(count):
                for connection in connections:
                    connection.sendall(request)
                for connection in connections:
                    _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(f"not what was expected: {head!r}")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    missing = length - len(body)
    while missing:
        missing -= len(_receive(connection))


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        raise ConnectionError("the connection ended before the answer")
    return data


class InstantHost:
    """A model host that knows every answer; serves one web worker."""

    def __init__(self, path: Path, status: HostStatus, row: NDArray[np.float32]) -> None:
        """Make a host that listens on a Unix socket; `row`, of shape (1, classes), answers all."""
        arguments = (str(path), status.model_dump_json().encode(), row)
        self._process = _PROCESSES.Process(target=_answer, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.join(_TIMEOUT_S)  # it ends with its worker's connection


class KnowingChannel(InstantChannel):
    """A channel that knows the one answer before it is asked."""

    def __init__(self, status: HostStatus, prediction: Prediction) -> None:
        super().__init__(status)
        self._prediction = prediction

    async def predict(self, *_question: object, **_which: object) -> Prediction:
        """Answer."""
        return self._prediction


def _answer(path: str, status: bytes, row: NDArray[np.float32]) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        connection, _ = listener.accept()
    with connection:
        connection.sendall(encode(Kind.STATUS, 0, status))
        reader = FrameReader(1 << 24)
        while data := connection.recv(_READ_BYTES):
            for frame in reader.feed(data):
                rows = Predict.decode(frame.body).rows
                answer = Answer(1, 0.0, 0.0, row.repeat(rows, axis=0))
                connection.sendall(encode_outcome(frame.request_id, answer))
