"""One client's connection: gunicorn's HTTP/1.1 protocol, and what it lacks.

gunicorn parses, frames and writes. This class bounds what a client may use: time for its
head, time to read its answer, chunks of its body, a turn of the event loop; and has an answer
arrive even where the body was not read (RFC 9112, section 9.6). See docs/explanation/front.md.

It is long because gunicorn's protocol is one class, whose methods are overridden here one by one.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from http import HTTPStatus
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any, Protocol

from gunicorn.asgi.parser import CallbackRequest, ParseError
from gunicorn.asgi.protocol import ASGIProtocol, BodyReceiver
from gunicorn.http.errors import ParseException

from app.config.peer_address import UNIX_PEER
from app.server.connections.header_cache import HeaderCache
from app.server.connections.request_rules import ChunkCount, check_head, message_of, status_of
from app.server.connections.response_head import response_head
from app.server.front.asgi_types import RECEIVED, Message, Received, Scope

if TYPE_CHECKING:
    import socket

    from app.server.connections.bad_request import BadRequests
    from app.server.connections.connection_table import ConnectionTable

_HALF_CLOSE_S = 0.05
"""A client that closes its sending side so soon after its request waits for the answer; one that
does so later has given up, as nothing else tells the two apart."""
_SLICE_BYTES = 16 * 1024
"""Of a head or a chunked body that are parsed in one turn of the loop."""
_JOINED_BYTES = 64 * 1024
"""A shorter body is sent together with its head."""
_CHEAP = ("body", "complete")
"""The parser's states in which it only copies what comes."""


class Worker(Protocol):
    """What a connection needs of gunicorn's worker."""

    alive: bool
    loop: asyncio.AbstractEventLoop
    connections: ConnectionTable
    bad_requests: BadRequests


class HttpConnection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """Serves a client, request after request."""

    worker: Worker
    transport: asyncio.Transport
    _closed: bool
    _current_request: CallbackRequest | None

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self.client: socket.socket | None = None
        """Until its transport is made, which takes a while where keys are to be agreed on."""
        self.arriving: asyncio.Task[None] | None = None
        """Makes it."""
        # No peer is believed what it says of the request's scheme; gunicorn believes Unix sockets.
        self._forwarded_trust: Any = {}, ()
        self._secure_names: frozenset[bytes] = frozenset()
        self.kept = self.begun = self.surplus = False
        self.heard_at = 0.0
        self._lingering = self._half_closed = self._refused = False
        self._chunks = ChunkCount()
        self._unparsed = bytearray()
        self._received = Received()
        self._known: HeaderCache | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self.client = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request that is being answered is cancelled."""
        self.worker.connections.forget(self)
        super().connection_lost(exc)

    def unsent(self) -> int:
        """Return the number of bytes that the client has not read yet."""
        return self.transport.get_write_buffer_size()

    def end(self) -> None:
        """Close a connection that waits for a request."""
        if self.client:
            self.abort()
        else:
            self._keepalive_timeout()

    def abort(self) -> None:
        """Close a connection whatever it does, and drop what is unsent."""
        if self.client:
            with suppress(OSError):
                self.client.shutdown(SHUT_RDWR)
        else:
            self.transport.abort()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, unless the connection is closing."""
        self.heard_at = now = self.worker.loop.time()
        if self._lingering or self._received.trouble:
            return
        if self.kept:
            self.kept = False
            self.worker.connections.wait(self, now)  # its head has as long as a new one's
        parser = self._callback_parser
        at_head = parser._state == "request_line" and not parser._buffer and not self._unparsed
        if at_head and self._known is not None and self._take_known(self._known, data):
            return
        super().data_received(data)
        receiver = self._body_receiver
        # All that came must be this request: what its body says of a head must not be believed.
        if at_head and receiver is not None and receiver._complete and not parser._buffer:
            self._known = HeaderCache.learn(data, self._current_request)

    def _take_known(self, known: HeaderCache, data: bytes) -> bool:
        """Handle a request with a cached head, without the parser."""
        body = known.match(data)
        if body is None:
            return False
        parser = self._callback_parser
        parser._state, parser.is_complete = "complete", True
        self._current_request = known.request
        self._body_receiver = BodyReceiver(known.request, self)
        self._body_receiver.feed(body)
        self._received = Received()
        self.worker.connections.receive(self)
        self._on_message_complete()
        self._request_ready.set()
        return True

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Parse in slices, so that other clients have their turns."""
        self.begun = True
        if self._unparsed:
            self._unparsed += data
        elif len(data) > _SLICE_BYTES and self._callback_parser._state not in _CHEAP:
            self._unparsed += data
            self._parse_slices()
        else:
            self._parse(data)
        return not self._closed

    def _parse_slices(self) -> None:
        size = _SLICE_BYTES
        while self._unparsed and not (self._closed or self._received.trouble):
            piece = bytes(self._unparsed[:size])
            del self._unparsed[:size]
            self._parse(piece)
            if self._callback_parser._state in _CHEAP:
                size = len(self._unparsed)
            elif self._unparsed:
                self._pause_reading()
                self.worker.loop.call_soon(self._parse_slices)
                return
        self._unparsed.clear()
        self._maybe_resume_reading()

    def _resume_reading(self) -> None:
        """Resume reading, but not past an end of stream that would overtake earlier bytes."""
        if not self._unparsed:
            super()._resume_reading()

    def eof_received(self) -> bool:
        """Return True to go on answering a client that has only closed its sending side."""
        receiver = self._body_receiver
        answering = receiver is not None and receiver._complete and not self._closed
        soon = self.worker.loop.time() - self.heard_at < _HALF_CLOSE_S
        self._half_closed = answering and soon and not self._is_ssl
        return self._half_closed

    def _parse(self, data: bytes) -> None:
        try:
            self._callback_parser.feed(data)
        except (ParseError, ParseException, ValueError) as exc:
            self._refuse(exc)

    def _refuse(self, exc: Exception) -> None:
        """Answer a malformed request; its own response reports a malformed body."""
        receiver = self._body_receiver
        if receiver is None:
            self._send_error_response(status_of(exc), message_of(exc))
            self._close_transport()
        else:
            self._received.trouble = message_of(exc)
            receiver._body_wait_expired = True
            receiver._wake_waiter()

    def _on_headers_complete(self) -> bool:
        """Reject heads that gunicorn accepts, and record that one has arrived."""
        check_head(self._callback_parser)
        self._received = Received()
        self._chunks = ChunkCount()
        skips = super()._on_headers_complete()
        self.worker.connections.receive(self)
        return bool(skips)

    def _on_body(self, chunk: bytes) -> None:
        parser = self._callback_parser
        if parser.is_chunked:
            self._chunks.add(len(chunk), ends=parser._chunk_remaining == 0)
        super()._on_body(chunk)

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self.begun = False
        self.worker.connections.answer(self)

    # What goes on between.

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        """Add the connection's facts to the scope."""
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        received, receiver = self._received, self._body_receiver
        received.surplus = self.surplus
        received.draining = not self.worker.alive
        if receiver._complete:
            received.body = b"".join(receiver._chunks)
            receiver._chunks.clear()
            receiver._buffered = 0
            receiver._body_finished = True
            self._maybe_resume_reading()  # or it would not be seen that the client goes away
        elif self._half_closed:
            receiver._body_wait_expired = True
        scope[RECEIVED] = received
        return scope

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        """Answer with the one head and the one body that the front sends.

        gunicorn's own way is made for answers that come in any pieces, and takes as long as all
        of the front.
        """
        scope = self._build_http_scope(request, sockname, peername)
        head: Message = {}
        keeps = False

        async def send(message: Message) -> None:
            nonlocal head, keeps
            if message["type"] == "http.response.start":
                head = message
            else:
                keeps = not self._will_close(request, False)  # noqa: FBT003 - gunicorn's
                self._write_response(request.version, head, message["body"], keeps=keeps)

        try:
            await self.app(scope, self._body_receiver.receive, send)
        except Exception:
            keeps = False
            self.log.exception("Error in ASGI application")
            self._send_error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "")
        if self._flow_control.write_paused:
            await self._flow_control.drain()
        if self._callback_parser._buffer:  # the next request is here; others have their turn first
            await asyncio.sleep(0)
        return keeps

    def _write_response(
        self, version: tuple[int, int], head: Message, body: bytes, *, keeps: bool
    ) -> None:
        encoded = response_head(version, head, keeps=keeps)
        if len(body) < _JOINED_BYTES:
            self._safe_write(encoded + body)
        else:
            self._safe_write(encoded)
            self._safe_write(body)

    def _is_websocket_upgrade(self, request: Any) -> bool:  # noqa: ARG002
        """Return False: the request is answered as if it requested no upgrade."""
        return False

    def _arm_keepalive_timer(self) -> None:
        """Wait for the next request; the worker looks for what has waited too long."""
        if self._half_closed:  # there is none
            self.end()
        else:
            self.kept = not self.begun
            self.worker.connections.wait(self, self.worker.loop.time())

    def _cancel_keepalive_timer(self) -> None:
        """Do nothing: there is no timer."""

    # What goes out.

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:  # noqa: FBT001
        """Close also where nothing more can come, others need the place, or a body is unread."""
        ends = self._half_closed and not self._callback_parser._buffer
        ends = ends or self.surplus or not self._body_receiver._complete
        return ends or super()._will_close(request, response_requires_close)

    def _send_error_response(
        self, status: int, message: str, _extra_headers: tuple[Any, ...] = ()
    ) -> None:
        """Send an error response; a client that is gone has missed no response."""
        if self.transport.is_closing():
            return
        self._refused = True
        peer = self.transport.get_extra_info("peername")
        client = peer[0] if isinstance(peer, tuple) else UNIX_PEER
        self._safe_write(self.worker.bad_requests.answer(HTTPStatus(status), message, client))

    def pause_writing(self) -> None:
        """Record that the client has stopped reading."""
        super().pause_writing()
        self.worker.connections.stall(self, self.worker.loop.time())

    def resume_writing(self) -> None:
        """Record that the client reads again."""
        super().resume_writing()
        if not self._closed:
            self.worker.connections.go_on(self)

    def _close_transport(self) -> None:
        """Close; where the client still sends, only once it has had the chance to read the answer.

        The kernel would reset the connection, and the answer with it.
        """
        if self._closed:
            return
        now, receiver = self.worker.loop.time(), self._body_receiver
        unread = receiver is not None and not receiver._complete
        unread = unread or self._refused or self._callback_parser.remaining()
        if unread and not self._half_closed:
            self._closed = self._lingering = True
            self.worker.connections.linger(self, now)
            if self._is_ssl:  # uvloop reads on without a callback until the client closes too
                self.heard_at = math.inf
                self.transport.close()
            else:
                self.heard_at = now
                self._resume_reading()
                self.transport.write_eof()
        else:
            super()._close_transport()
            self.worker.connections.stall(self, now)
