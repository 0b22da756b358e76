"""One client's connection: gunicorn's HTTP/1.1 protocol, and what it lacks.

gunicorn parses, frames and writes. What is added here bounds what a client may take: time for its
head, time to read its answer, chunks of its body, a turn of the event loop; and has an answer
arrive even where the body was not read (RFC 9112, section 9.6).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.parser import (
    LimitRequestHeaders,
    LimitRequestLine,
    ParseError,
    UnsupportedTransferCoding,
)
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.http.errors import ParseException

from app.asgi_types import RECEIVED, Received, Scope

if TYPE_CHECKING:
    import asyncio

    from app.gunicorn_worker import WebWorker

_HALF_CLOSE_S = 0.05
"""A client that closes its sending side so soon after its request waits for the answer; one that
does so later has given up, as nothing else tells the two apart."""
_FREE_CHUNKS = 1024
_LEAST_CHUNK_BYTES = 64
"""On average, beyond those that are free: a chunk costs some 3 µs, however small it is."""
_SLICE_BYTES = 16 * 1024
"""Of a chunked body that are parsed in one turn of the loop."""


class ExpectationFailed(ParseError):  # type: ignore[misc]  # noqa: N818 - as gunicorn names them
    """Raised for an expectation that is not 100-continue."""


_STATUSES: dict[type[Exception], HTTPStatus] = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class HttpConnection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """Serves a client, request after request."""

    worker: WebWorker
    transport: asyncio.Transport
    _closed: bool

    def __init__(self, worker: WebWorker) -> None:
        super().__init__(worker)
        # No peer is believed what it says of the request's scheme; gunicorn believes Unix sockets.
        self._forwarded_trust: Any = {}, ()
        self._secure_names: frozenset[bytes] = frozenset()
        self.kept = False
        """A request was answered, and nothing of the next one has come."""
        self.begun = False
        """Something came that is no whole head yet."""
        self.since = 0.0
        """Loop time at which it began to wait for a head, or heard from a refused client last."""
        self.closing_since = 0.0
        """Loop time at which it began to linger."""
        self.stalled_since = 0.0
        """Loop time at which the client took nothing more of its answer."""
        self.surplus = False
        """It came when the worker had as many connections as it serves at once."""
        self._lingering = False
        self._half_closed = False
        self._refused = False
        self._heard_at = 0.0
        self._chunks = 0
        self._chunk_bytes = 0
        self._unparsed = b""
        self._received = Received()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head(kept=False)
        self.worker.connections.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request that is being answered is cancelled."""
        self.worker.connections.forget(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Close a connection that waits for a request."""
        self._keepalive_timeout()

    def abort(self) -> None:
        """Close a connection whatever it does, and drop what is unsent."""
        self.transport.abort()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Parse what came; a chunked body in slices, so that other clients have their turns."""
        now = self.worker.loop.time()
        if self._lingering or self._received.trouble:
            self.since = now
            return
        self._heard_at = now
        if self.kept:
            self._wait_for_head(kept=False)  # it has as long as a new one's
        self.begun = True
        if self._unparsed:
            self._unparsed += data
        elif len(data) > _SLICE_BYTES and self._callback_parser.is_chunked:
            self._unparsed = data
            self.transport.pause_reading()
            self._parse_slice()
        else:
            super().data_received(data)

    def _parse_slice(self) -> None:
        piece, self._unparsed = self._unparsed[:_SLICE_BYTES], self._unparsed[_SLICE_BYTES:]
        if self._closed or self._received.trouble:
            self._unparsed = b""
        else:
            super().data_received(piece)
        if self._unparsed:
            self.worker.loop.call_soon(self._parse_slice)
        elif not self._reading_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        """Return True to go on answering a client that has only closed its sending side."""
        receiver = self._body_receiver
        answering = receiver is not None and receiver._complete and not self._closed
        soon = self.worker.loop.time() - self._heard_at < _HALF_CLOSE_S
        self._half_closed = answering and soon and not self._is_ssl
        return self._half_closed

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Parse; what is wrong with a body is told by the answer to its request."""
        try:
            self._callback_parser.feed(data)
        except (ParseError, ParseException) as exc:
            receiver = self._body_receiver
            if receiver is None:
                status = _STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
                self._send_error_response(status, str(exc))
                self._close_transport()
            else:
                self._received.trouble = str(exc)
                receiver._body_wait_expired = True
                receiver._wake_waiter()
            return False
        return True

    def _on_headers_complete(self) -> bool:
        """Refuse heads that gunicorn lets pass, and note that one is here."""
        parser = self._callback_parser
        if parser.http_version >= (1, 1):  # RFC 9112, section 3.2, and RFC 9110, section 10.1.1
            headers = dict(parser.headers)
            if b"host" not in headers:
                raise ParseError("Missing Host header")
            expected = headers.get(b"expect", b"100-continue")
            if expected.lower() != b"100-continue":
                raise ExpectationFailed(f"Expect is {expected.decode('latin-1')!r}")
        self._received = Received()
        self._chunks = self._chunk_bytes = 0
        skips = super()._on_headers_complete()
        self.worker.connections.receive(self)
        return bool(skips)

    def _on_body(self, chunk: bytes) -> None:
        self._chunks += 1
        self._chunk_bytes += len(chunk)
        if self._chunks > _FREE_CHUNKS + self._chunk_bytes // _LEAST_CHUNK_BYTES:
            average = self._chunk_bytes / self._chunks
            raise ParseError(
                f"{self._chunks} chunks have {average:.0f} bytes on average; "
                f"at least {_LEAST_CHUNK_BYTES} are expected where there are over {_FREE_CHUNKS}"
            )
        super()._on_body(chunk)

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self.worker.connections.answer(self)

    # What goes on between.

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        """Add what the connection knows of the request."""
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        received, receiver = self._received, self._body_receiver
        received.surplus = self.surplus
        received.draining = not self.worker.alive
        if receiver._complete:
            received.body = b"".join(receiver._chunks)
            receiver._chunks.clear()
            receiver._buffered = 0
            receiver._body_finished = True
        scope[RECEIVED] = received
        return scope

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        """Answer in this task, which saves another: the front does nothing after its answer."""
        return bool(await self._handle_http_request(request, sockname, peername))

    def _is_websocket_upgrade(self, request: Any) -> bool:  # noqa: ARG002
        """Return that there are none: the request is answered as if it asked for no upgrade."""
        return False

    def _arm_keepalive_timer(self) -> None:
        """Wait for the next request; the worker looks for what has waited too long."""
        self._wait_for_head(kept=True)

    def _cancel_keepalive_timer(self) -> None:
        """Do nothing: there is no timer."""

    def _wait_for_head(self, *, kept: bool) -> None:
        self.kept = kept
        self.begun = False
        self.since = self.worker.loop.time()
        self.worker.connections.wait(self)

    # What goes out.

    def _send_response_start(
        self, status: int, headers: list[tuple[bytes, bytes]], request: Any, *, close: bool = False
    ) -> None:
        """Say that the connection is kept, as clients of HTTP/1.0 would not expect it."""
        if not close:
            headers = [*headers, (b"connection", b"keep-alive")]
        super()._send_response_start(status, headers, request, close=close)

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:  # noqa: FBT001
        """Close also where nothing more can come, or others need the place."""
        ends = self._half_closed or self.surplus
        return ends or super()._will_close(request, response_requires_close)

    def _send_error_response(
        self, status: int, message: str, _extra_headers: tuple[Any, ...] = ()
    ) -> None:
        """Refuse in the shape of all errors."""
        self._refused = True
        peer = self.transport.get_extra_info("peername")
        client = peer[0] if isinstance(peer, tuple) else "unix:"
        self._safe_write(self.worker.bad_requests.answer(HTTPStatus(status), message, client))

    def pause_writing(self) -> None:
        """Note that the client takes nothing more for now."""
        super().pause_writing()
        self.stalled_since = self.worker.loop.time()
        self.worker.connections.stall(self)

    def resume_writing(self) -> None:
        """Note that it took some."""
        super().resume_writing()
        self.worker.connections.go_on(self)

    def _close_transport(self) -> None:
        """Close; where the client still sends, only once it has had the chance to read the answer.

        The kernel would reset the connection, and the answer with it.
        """
        if self._closed:
            return
        receiver, parser = self._body_receiver, self._callback_parser
        unread = receiver is not None and (not receiver._complete or parser.remaining())
        if not unread and not self._refused:
            super()._close_transport()
            return
        self._closed = self._lingering = True
        self.since = self.closing_since = self.worker.loop.time()
        self.worker.connections.linger(self)
        self._resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
