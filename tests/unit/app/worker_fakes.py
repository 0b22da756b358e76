"""A web worker in a thread, with an application of a few lines behind it, and its clients."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import ssl
import threading
import time
from types import SimpleNamespace
from typing import NamedTuple, Self

import pytest
from gunicorn.config import Config

from app.server.front.asgi_types import RECEIVED
from app.server.worker import WebWorker

PATIENCE_S = 60
"""How long anything may take before a test gives up; nothing takes that long."""
tcp = pytest.mark.parametrize("way", ["TCP"], indirect=True)
"""For what does not depend on what a connection goes over."""


class Parts:
    """Stands for the service around the front."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self) -> None:
        self.said.append("start")

    def stop(self) -> None:
        self.said.append("stop")


class Worker(WebWorker):
    """Serves an application on sockets that listen, until it is left."""

    def __init__(self, application, *listeners, certificate=None, **settings) -> None:
        config = Config()
        usual = {"asgi_disconnect_grace_period": 0, "http_parser": "python", "keepalive": 75}
        for name, value in (usual | settings).items():
            config.set(name, value)
        if certificate:
            config.set("certfile", certificate.cert)
            config.set("keyfile", certificate.key)
        log = logging.getLogger("worker")
        log.access_log_enabled = False  # gunicorn's own logger has it
        holders = [SimpleNamespace(sock=one, close=one.close) for one in listeners]
        super().__init__(1, os.getppid(), holders, None, 30, config, log)
        self.asgi = application
        self.parts = Parts()
        self.thread = threading.Thread(target=self._live)

    def load_wsgi(self) -> None:
        """Take the application as it is."""
        self._parts = self.parts

    def _live(self) -> None:
        self._setup_event_loop()
        self.load_wsgi()
        self.run()
        self.tmp.close()
        gc.unfreeze()  # what the process of a test has made, its end is to find

    def on_loop(self, call):
        """Return what a call gives on the event loop."""
        done = threading.Event()
        outcome = []

        def run() -> None:
            outcome.append(call())
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE_S)
        return outcome[0]

    def doing(self) -> dict[str, int]:
        """Return how many connections do what."""
        table = self.connections
        return self.on_loop(
            lambda: {
                "open": len(table.open),
                "waiting": len(table._waiting),
                "receiving": len(table._receiving),
                "lingering": len(table._lingering),
                "stalled": len(table._stalled),
            }
        )

    def begin_to_end(self) -> None:
        """Have it drain, as by SIGTERM."""
        self.loop.call_soon_threadsafe(self.handle_exit_signal)

    def __enter__(self) -> Self:
        self.thread.start()
        until(lambda: "start" in self.parts.said)
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(RuntimeError):  # it may have ended
            self.loop.call_soon_threadsafe(self.handle_quit_signal)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


class Application:
    """Echoes a body, in one piece; may wait, fail, or leave the body unread."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.scopes: list[dict] = []
        self.status = 200
        self.reads = True
        self.answer: bytes | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.fails: Exception | None = None
        self.waits = threading.Event()
        self.ended_by: list[BaseException] = []
        self._go_on: asyncio.Event | None = None

    def hold(self) -> None:
        """Let requests wait, from the next one on."""
        self._go_on = asyncio.Event()

    def let_go(self, worker: Worker) -> None:
        """Answer those that wait."""
        worker.on_loop(self._go_on.set)

    async def __call__(self, scope, receive, send) -> None:
        self.scopes.append(scope)
        body = await self._read(scope[RECEIVED], receive) if self.reads else b"unread"
        self.bodies.append(body)
        self.waits.set()
        if self._go_on is not None:
            try:
                await self._go_on.wait()
            except asyncio.CancelledError as exc:
                self.ended_by.append(exc)
                raise
        if self.fails:
            raise self.fails
        answer = body if self.answer is None else self.answer
        headers = [(b"content-length", b"%d" % len(answer)), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _read(self, received, receive) -> bytes:
        if received.body is not None:
            return received.body
        pieces = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                self.status = 400
                return received.trouble.encode() or b"it broke off"
            pieces.append(message["body"])
            if not message["more_body"]:
                return b"".join(pieces)


class Answer(NamedTuple):
    """What a client was answered; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Speaks to a worker byte by byte."""

    def __init__(self, connected: socket.socket) -> None:
        self.sock = connected
        self.sock.settimeout(PATIENCE_S)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.receive()

    def receive(self) -> Answer:
        """Read one answer and no more."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            assert byte, head
            head += byte
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", 0)):
            more = self.sock.recv(int(headers["content-length"]) - len(body))
            assert more, body
            body += more
        return Answer(int(line.split(" ")[1]), headers, body)

    def rest(self) -> bytes:
        """Read until the worker closes the connection."""
        pieces = []
        while piece := self.sock.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def listen(address=("127.0.0.1", 0)) -> socket.socket:
    """Make a socket that listens; a path makes it a Unix socket."""
    listener = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    listener.bind(address)
    listener.listen(128)
    listener.settimeout(0)
    return listener


def connect(address, trusted: str | None = None) -> Client:
    """Connect to a worker; over TLS where a certificate is to be trusted."""
    with contextlib.ExitStack() as failed:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        sock = failed.enter_context(socket.socket(family))
        sock.settimeout(PATIENCE_S)
        sock.connect(address)
        failed.pop_all()
    if trusted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(trusted)
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    return Client(sock)


def post(body: bytes = b"seven", *headers: bytes, path: bytes = b"/") -> bytes:
    """Write a request with a body."""
    length = b"Content-Length: %d" % len(body)
    return head(b"POST", path, length, *headers) + body


def head(method: bytes, path: bytes, *headers: bytes) -> bytes:
    """Write the head of a request."""
    lines = (b"%b %b HTTP/1.1" % (method, path), b"Host: a", *headers, b"", b"")
    return b"\r\n".join(lines)


def chunked(*chunks: bytes) -> bytes:
    """Write a request whose body comes in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head(b"POST", b"/", b"Transfer-Encoding: chunked") + body + b"0\r\n\r\n"


def until(condition) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.001)
