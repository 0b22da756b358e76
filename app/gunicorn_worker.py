"""The web workers' class: gunicorn's gevent worker, with less between a request and its answer.

It leaves out what this service does not use: HTTP/2, the access log, files sent by the kernel,
hooks around a request, early hints, and a worker's end after so many requests.
"""

from __future__ import annotations

import errno
import ssl
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket
from gevent.ssl import SSLSocket
from gunicorn import http, util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.ggevent import GeventWorker

from app.access.addresses import peer_of
from app.connection import BROKEN_BODY, Connection, SecureConnection
from app.draining_server import DRAINING, DrainingServer
from app.known_head import KnownHead
from app.web.unreadable import Refusals
from app.whole_response import WholeResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.draining_server import Address

_WRITE_TIMEOUT_S = 30.0
"""A client that takes nothing of its answer for so long is let go."""
_HEAD_S = 5.0
"""A client that has not sent a whole head for so long, though it connected or began to, is let go:
however long connections are kept between requests."""
_LOOK_EVERY_S = 0.5
_LAST_CHANCE_S = 1.0
"""While the worker ends, a client that asks again within so long is told to come no more on this
connection; one that is idle for longer sees it closed, and the worker need not wait for it."""
_LINGER_S = 1.0
"""What a refused client has sent is read for so long, as the kernel would take an answer back if
there were more when the connection closes."""
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)


class WebWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves each connection in a greenlet, request after request."""

    server_class = DrainingServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[Connection, float] = {}
        """Connections without a whole head, and since when: the longest wait first."""
        self._refusals = Refusals(time.monotonic, self.cfg)

    @property
    def wsgi_handler(self) -> Callable[..., None]:
        """What the server is to do with a connection."""
        return self.handle

    def run(self) -> None:
        """Serve until told to end."""
        with self._looking():
            super().run()

    def handle(self, listener: Address, client: socket.socket, addr: Any) -> None:
        """Serve a connection until it ends."""
        client.settimeout(_WRITE_TIMEOUT_S)
        secure = isinstance(client, SSLSocket)
        connection = SecureConnection(client) if secure else Connection(client)
        try:
            self._converse(listener.getsockname(), client, peer_of(addr), connection)
        except OSError as exc:
            gone = exc.errno in _GONE or isinstance(exc, ssl.SSLError)
            level = self.log.debug if gone else self.log.warning
            level("a connection broke: %s", exc)
        finally:
            self._waiting.pop(connection, None)
            connection.close()
            util.close(client)

    def _converse(self, name: Any, client: socket.socket, addr: Any, source: Connection) -> None:
        parser = http.get_parser(self.cfg, source, addr)
        known: KnownHead | None = None
        rest, answered, ends = b"", False, False
        while not ends:
            source.kept, answered = answered, False
            self._waiting[source] = time.monotonic()
            source.begun = bool(rest) or source.pending
            try:
                data = rest or source.recv()
                again = known.match(data) if known else None
                if again is not None:
                    request, environ, rest = again
                    response = WholeResponse(request, client, self.cfg)
                else:
                    parser.unreader.unread(data)
                    request = next(parser)
                    response, environ = self._prepare(name, request, client, addr)
                    known = KnownHead.learn(data, request, environ) or known
                del self._waiting[source]
                source.kept, source.answering = False, True
                self._answer(environ, response)
                answered, source.answering = True, False
                ends = response.closes
                if again is None and not ends:
                    self._waiting[source] = time.monotonic()
                    if not parser.finish_body():  # it must not be taken for the next request
                        return
                    rest = parser.unreader.take_buffered()
            except (NoMoreData, StopIteration):
                return
            except OSError:
                raise
            except Exception as exc:  # noqa: BLE001 - told to the client, and logged
                source.answering = False
                if not answered:  # else it is the rest of a body that nobody read
                    client.sendall(self._refusals.answer(exc, addr[0]))
                    _linger(client, source)
                return

    def _prepare(self, name: Any, request: Any, client: Any, addr: Any) -> tuple[Any, Any]:
        response, environ = wsgi.create(
            request, client, addr, name, self.cfg, response_class=WholeResponse
        )
        environ["wsgi.multithread"] = True
        return response, environ

    def _answer(self, environ: dict[str, Any], response: WholeResponse) -> None:
        """Call the application, and write what it answers."""
        if not self.alive:
            response.force_close()
            environ[DRAINING] = True
        parts: Iterable[bytes] = self.wsgi(environ, response.start_response)
        if BROKEN_BODY in environ:
            response.force_close()
        try:
            for part in parts:
                response.write(part)
            response.close()
        except Exception:
            if response.sent:  # a second answer would be taken for the rest of the first
                self.log.exception("an answer broke off")
                raise StopIteration from None
            raise
        finally:
            if hasattr(parts, "close"):
                parts.close()

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """Look for idle connections again and again, until the block ends."""
        with closing(gevent.get_hub().loop.timer(_LOOK_EVERY_S, _LOOK_EVERY_S)) as timer:
            timer.start(self._end_idle)
            yield

    def _end_idle(self) -> None:
        """End connections on which no whole head came in time.

        Those beyond half of what a worker serves at once are not kept for long, or new clients
        would find no place. Run by the event loop, which goes on with the next one as soon as that
        greenlet waits.
        """
        now, too_many = time.monotonic(), len(self._waiting) - self.cfg.worker_connections // 2
        for number, (connection, since) in enumerate(list(self._waiting.items())):
            if connection.kept and connection.begun:  # its head has as long as a new one's
                connection.kept = False
                self._waiting[connection] = now
                continue
            patience = self.cfg.keepalive if connection.kept else _HEAD_S
            if number < too_many:
                patience = min(patience, _HEAD_S)
            if not self.alive and not connection.begun:
                patience = min(patience, _LAST_CHANCE_S)
            if now - since > patience:
                connection.end()


def _linger(client: socket.socket, source: Connection) -> None:
    """Say that nothing more comes, and read what the client had sent before it knew."""
    socket.socket.shutdown(client, socket.SHUT_WR)  # below TLS, which could not read any more
    with suppress(gevent.Timeout), gevent.Timeout(_LINGER_S):
        while source.recv():
            pass
