"""One client's connection, read by the event loop as soon as something comes, in TLS or not.

So a client that goes away while its request waits for the model is noticed, and the request is
given up.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from gevent import socket

BROKEN_BODY = "glyph.broken_body"
"""Set in the WSGI environment of a request whose body could not be read: nobody knows any more
where it ends, and its rest must not be taken for the next request."""

_READ_BYTES = 64 * 1024


class ClientGoneError(gevent.GreenletExit):
    """Raised in the greenlet of a request whose client closed the connection."""


class Connection:
    """Receives; keeps at most one read that nobody has asked for yet."""

    def __init__(self, sock: socket.socket) -> None:
        """Watch a connected socket, from the greenlet that serves it."""
        self._fd = sock.fileno()
        greenlet = gevent.getcurrent()
        assert isinstance(greenlet, gevent.Greenlet)  # noqa: S101 - StreamServer spawns them
        self._greenlet: gevent.Greenlet[..., None] = greenlet
        self._hub = gevent.get_hub()
        self._received = b""
        self._ended = False
        self._reading = False
        self._paused = False
        self.begun = False
        """Something came since this was last reset."""
        self.kept = False
        """It was answered before, and nothing more is known to have come."""
        self.answering = False
        """A request is being answered: should the client go away, its greenlet is told."""
        self._watcher = self._hub.loop.io(self._fd, 1)
        self._watcher.start(self._on_readable)

    def recv(self, _size: int = _READ_BYTES) -> bytes:
        """Give what came next, waiting for it; b"" at the end. gunicorn's parser calls it.

        More than asked for may be given, as gunicorn's reader allows.
        """
        if not self._received and not self._ended:
            self._reading = True
            try:
                self._hub.switch()
            finally:
                self._reading = False
        data, self._received = self._received, b""
        if self._paused:
            self._paused = False
            self._watcher.start(self._on_readable)
        return data

    @property
    def pending(self) -> bool:
        """Whether something came that nobody has asked for."""
        return bool(self._received)

    def end(self) -> None:
        """Have whoever reads see the end, as when the client has closed the connection.

        Called by the event loop: a greenlet that called it would not be gone on with.
        """
        self._ended = True
        self._watcher.stop()
        if self._reading:
            self._greenlet.switch()
        elif self.answering:
            self._greenlet.kill(ClientGoneError, block=False)

    def close(self) -> None:
        """Stop watching; the socket is its owner's to close."""
        self._watcher.stop()
        self._watcher.close()

    def _read(self) -> bytes:
        return os.read(self._fd, _READ_BYTES)

    def _on_readable(self) -> None:
        """Run by the event loop, so it must not wait."""
        if self._received:
            self._paused = True
            self._watcher.stop()
            return
        try:
            data = self._read()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        if not data:
            self.end()
        else:
            self._received = data
            self.begun = True
            if self._reading:
                self._greenlet.switch()


class SecureConnection(Connection):
    """The same in TLS.

    A read takes a whole record, since none is as large, and OpenSSL takes no more from the socket
    than that. So whatever has come and was not read shows in the socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._sock = sock

    def _read(self) -> bytes:
        timeout = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            return self._sock.recv(_READ_BYTES)
        finally:
            self._sock.settimeout(timeout)
