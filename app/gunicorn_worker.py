"""The web workers' class: gunicorn's ASGI worker, and what it lacks.

Each addition says why it is here; docs/front.md describes them for gunicorn.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import sock
from gunicorn.workers.gasgi import ASGIWorker

from app.connection_table import ConnectionTable
from app.http_connection import HttpConnection
from app.web.bad_request import BadRequests

_HANDSHAKE_S = 5.0
_BEAT_S = 1.0
_LOOK_EVERY_S = 0.5
_DRAINED_EVERY_S = 0.02


class WebWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves the front on uvloop, with bounds on what connections may take."""

    alive: bool
    loop: asyncio.AbstractEventLoop

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections = ConnectionTable(self.worker_connections, self.cfg.keepalive)
        self.bad_requests = BadRequests(time.monotonic, self.cfg)
        self._ending = asyncio.Event()

    def load_wsgi(self) -> None:
        """Put the front together; `app.wsgi:app` names the Flask application behind it."""
        from app.assembly import WebParts  # noqa: PLC0415 - the master must not import it

        self._parts = WebParts(self.loop)
        self.asgi = self._parts.front

    def handle_exit_signal(self) -> None:
        """Begin to end at once, not with the next heartbeat."""
        super().handle_exit_signal()
        self._ending.set()

    def handle_quit_signal(self) -> None:
        """Likewise."""
        super().handle_quit_signal()
        self._ending.set()

    async def _serve(self) -> None:
        """Serve until told to end, then drain.

        gunicorn's own leaves the backlog, the time for TLS handshakes, and the connections that
        wait to be accepted at the end, to the event loop's defaults.
        """
        self._parts.start()
        looking = self.loop.create_task(self._look())
        self.servers = [await self._listen(listener.sock) for listener in self.sockets]
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                self.alive = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _BEAT_S)
        await self._drain()
        looking.cancel()
        await self._parts.stop()

    async def _listen(self, listener: socket.socket) -> asyncio.AbstractServer:
        tls = sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        is_unix = listener.family == socket.AF_UNIX
        create: Any = self.loop.create_unix_server if is_unix else self.loop.create_server
        server: asyncio.AbstractServer = await create(
            partial(HttpConnection, self),
            sock=listener,
            backlog=self.cfg.backlog,
            ssl=tls,
            ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
        )
        return server

    async def _drain(self) -> None:
        """Answer what has come, and close what is idle, within the time that there is."""
        for listener in self.sockets:
            await self._accept_waiting(listener.sock)
        for server in self.servers:
            server.close()
        until = self.loop.time() + self.cfg.graceful_timeout
        while self.loop.time() < until and not self._quick_shutdown:
            self.notify()
            await asyncio.sleep(_DRAINED_EVERY_S)  # first of all: some are not in the table yet
            if not self.connections.open:
                break

    async def _accept_waiting(self, listener: socket.socket) -> None:
        """Serve the clients that wait to be accepted: the kernel would reset them."""
        tls = sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        with suppress(BlockingIOError):
            while True:
                client, _ = listener.accept()
                client.setblocking(False)  # noqa: FBT003
                await self.loop.connect_accepted_socket(
                    partial(HttpConnection, self),
                    client,
                    ssl=tls,
                    ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
                )

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.connections.look(self.loop.time(), draining=not self.alive)
