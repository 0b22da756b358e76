"""The web workers' class: gunicorn's gevent worker, with less between a request and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

if TYPE_CHECKING:
    from collections.abc import Iterable


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends the head together with the first bytes of the body: one packet, not two."""

    headers_sent: bool
    _head = b""

    def send_headers(self) -> None:
        """Make the head, and keep it until there is a body to go with it."""
        if self.headers_sent:
            return
        lines = self.default_headers()
        lines += [f"{name}: {value}\r\n" for name, value in self.headers]
        self._head = "".join([*lines, "\r\n"]).encode("latin-1")
        self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            self._flush()
            super()._emit_body(data)
            return
        head, self._head = self._head, b""
        util.write(self.sock, head + data)

    def close(self) -> None:
        """Finish the answer; one without a body is its head alone."""
        if not self.headers_sent:
            self.send_headers()
        self._flush()
        super().close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            util.write(self.sock, head)


class LeanWorker(AsyncWorker):  # type: ignore[misc]
    """Calls the application, and writes what it answers, as gunicorn's own worker does.

    It leaves out what this service does not use: the access log, files sent by the kernel, the
    hooks around a request, and a worker's end after so many requests.
    """

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer one request; StopIteration ends the connection."""
        response, environ = wsgi.create(
            req, sock, addr, listener_name, self.cfg, response_class=WholeResponse
        )
        environ["wsgi.multithread"] = True
        if not self.alive:
            response.force_close()
        parts: Iterable[bytes] = self.wsgi(environ, response.start_response)
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
        if response.should_close():
            raise StopIteration
        return True


class WebWorker(GeventWorker, LeanWorker):  # type: ignore[misc]
    """gevent's worker, which hands every request to the lean one."""
