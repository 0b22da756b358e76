"""Bounds all network operations of a blocking request by one deadline.

httpx bounds each read and each write. A server that sends a byte now and then, or takes one, is
waited for as long as it likes. Here every step has the time that is left of the whole request.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from ssl import SSLSocket
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ssl import SSLContext

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""Of the request that this thread sends; httpcore works in its caller's thread."""


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Set the deadline of this thread's network operations until the block ends."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def check_deadline() -> None:
    """Check that there is time left.

    Raises:
        httpx.ReadTimeout: If there is none.
    """
    try:
        _time_left(None, httpcore.ReadTimeout)
    except httpcore.ReadTimeout as exc:
        raise httpx.ReadTimeout(str(exc)) from exc


def bound_by_deadline(client: httpx.Client) -> None:
    """Make a client's connections, those to proxies too, respect the deadline.

    httpx has no option for httpcore's network backend. A test of a real connection shows that it
    is still the right attribute.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - as above
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _BoundedBackend()  # noqa: SLF001 - as above


def _time_left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    """Return the seconds that a step may take; None where nothing bounds it."""
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the time is up")
    return left if timeout is None else min(timeout, left)


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections of which each step ends with the deadline."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        left = _time_left(timeout, httpcore.ConnectTimeout)
        connect = partial(self._sockets.connect_tcp, host, port, left, *args, **options)
        return _BoundedStream(_connect_in_time(connect, left))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        left = _time_left(timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._sockets.connect_unix_socket(path, left, *args, **options))


def _connect_in_time(
    connect: Callable[[], httpcore.NetworkStream], left: float | None
) -> httpcore.NetworkStream:
    """Connect in a thread of its own: looking up a name has no timeout, and it may have addresses.

    What comes too late is closed.
    """
    found: Future[httpcore.NetworkStream] = Future()

    def work() -> None:
        try:
            found.set_result(connect())
        except Exception as exc:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(exc)

    Thread(target=work, name="glyph-connect", daemon=True).start()
    try:
        return found.result(left)
    except TimeoutError:
        found.add_done_callback(_close)
        raise httpcore.ConnectTimeout("no connection in time") from None


def _close(late: Future[httpcore.NetworkStream]) -> None:
    if late.exception() is None:
        late.result().close()


class _BoundedStream(httpcore.NetworkStream):
    """A connection of which each step ends with the deadline.

    The socket itself bounds a TLS handshake, and a read or a write in TLS, as a whole.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket = stream.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:  # httpcore's own loop would wait as long again after each piece
                self._socket.settimeout(_time_left(timeout, httpcore.WriteTimeout))
                rest = rest[self._socket.send(rest) :]
        except TimeoutError as exc:
            raise httpcore.WriteTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _time_left(timeout, httpcore.ConnectTimeout)
        secure = self._stream.start_tls(ssl_context, server_hostname, left)
        if isinstance(self._socket, SSLSocket):
            return secure  # TLS within a proxy's TLS: written past the inner one, it would be plain
        return _BoundedStream(secure)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
