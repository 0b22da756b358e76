"""The web workers' class: gunicorn's ASGI worker, and what it lacks.

Each addition says why it is here; docs/explanation/front.md describes them for gunicorn.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn import sock
from gunicorn.workers.gasgi import ASGIWorker

from app.server.connections.bad_request import BadRequests
from app.server.connections.connection_table import ConnectionTable
from app.server.connections.http_connection import HttpConnection
from app.server.supervision import END_SIGNALS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_HEARTBEAT_S = 1.0
_UNREADY_S = 0.5
"""Clients are taken in for so long after the worker was told to end, so that /readyz tells it."""
_CHECK_EVERY_S = 0.5
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
        self.announce: Callable[[], None] | None = None
        """Called once a version serves."""

    def load_wsgi(self) -> None:
        """Put the front together; `app.wsgi:app` names the Flask application behind it."""
        from app.server.assembly import WebParts  # noqa: PLC0415 - the master must not import it

        self._parts = WebParts(self.loop)
        self.asgi = self._parts.front

    def handle_exit_signal(self) -> None:
        """Begin to shut down at once, not with the next heartbeat."""
        super().handle_exit_signal()
        self._ending.set()

    def handle_quit_signal(self) -> None:
        """Likewise."""
        super().handle_quit_signal()
        self._ending.set()

    async def _serve(self) -> None:
        """Serve until shutdown, then answer the received requests within the grace period."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)  # held back since the fork
        self._tls = sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        self._parts.start()
        gc.collect()
        gc.freeze()  # what is here stays: to look through it again and again takes milliseconds
        self._close_overdue()
        for listener in self.sockets:
            self.loop.add_reader(listener.sock, self._accept, listener.sock)
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                self.alive = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _HEARTBEAT_S)
        ending = self.loop.time()
        while (self.sockets or self.connections.open) and not self._quick_shutdown:
            if self.loop.time() > ending + _UNREADY_S:
                self._close_listeners()
            if self.loop.time() > ending + self.cfg.graceful_timeout:
                break
            self.notify()
            await asyncio.sleep(_DRAINED_EVERY_S)
        self._parts.stop()

    def _accept(self, listener: socket.socket) -> bool:
        """Accept one client per turn of the loop, so that idle workers get their share.

        The event loop's own servers accept all who wait, and leave none to the other workers.
        """
        try:
            client, _ = listener.accept()
        except OSError:  # another worker was quicker, or the client has gone
            return False
        client.setblocking(False)  # noqa: FBT003
        connection = HttpConnection(self)
        if self.connections.admit(connection, self.loop.time()):
            connection.client = client
            connection.arriving = self.loop.create_task(self._connect(connection, client))
        else:
            client.close()
        return True

    async def _connect(self, connection: HttpConnection, client: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, client, ssl=self._tls)
        except OSError as exc:  # it speaks no TLS, does not trust the certificate, or says nothing
            self.connections.forget(connection)
            self.log.debug("a TLS handshake failed: %s", exc)

    def _close_listeners(self) -> None:
        """Serve the clients that wait to be accepted, and accept no more.

        The kernel would reset them, though they believe that they are connected.
        """
        while self.sockets:
            listener = self.sockets.pop()
            self.loop.remove_reader(listener.sock)
            while self._accept(listener.sock):
                pass
            listener.close()

    def _close_overdue(self) -> None:
        self.loop.call_later(_CHECK_EVERY_S, self._close_overdue)
        self.connections.close_overdue(self.loop.time(), draining=not self.alive)
        if self.announce is not None and self._parts.ready:
            self.announce()
            self.announce = None
