"""The web workers' listening end: what the kernel has taken in is served before it closes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent.server import StreamServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent import socket
    from gevent.pool import Pool


_HANDSHAKE_S = 5.0
DRAINING = "glyph.draining"
"""Set in the WSGI environment of requests that come while the worker ends."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a handler wants to know of a listener, which may have been closed since."""

    name: Any

    def getsockname(self) -> Any:
        """Give the address as the socket gave it."""
        return self.name


class DrainingServer(StreamServer):
    """Hands connections to a worker, with the arguments that gunicorn gives to a server class."""

    max_accept = 1  # in a turn of the loop, so that idle workers get their share

    def __init__(
        self,
        listener: socket.socket,
        *,
        spawn: Pool,
        handler_class: Callable[[Address, socket.socket, Any], None],
        application: Any,  # noqa: ARG002 - the handler knows it
        log: Any,
        environ: Any,  # noqa: ARG002 - likewise
        **tls: Any,
    ) -> None:
        self._log = log
        address = Address(listener.getsockname())
        super().__init__(listener, handle=partial(handler_class, address), spawn=spawn, **tls)

    def wrap_socket_and_handle(self, client: socket.socket, address: Any) -> None:
        """Agree on keys with a client, and have its requests answered."""
        try:
            with gevent.Timeout(_HANDSHAKE_S, TimeoutError("no handshake in time")):
                secure = self.wrap_socket(client, **self.ssl_args)  # type: ignore[misc,arg-type]  # set by gevent
        except OSError as exc:  # it speaks no TLS, does not trust the certificate, or says nothing
            self._log.debug("a TLS handshake failed: %s", exc)
            return
        with closing(secure):
            self.handle(secure, address)

    def close(self) -> None:
        """Serve the connections that wait to be taken, and take no more.

        The kernel would reset them, though their clients believe that they are connected.
        """
        if not self.closed:
            self.stop_accepting()
            while taken := self.do_read():
                self.do_handle(*taken)
        super().close()
