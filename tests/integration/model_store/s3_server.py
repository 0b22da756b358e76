"""A program that is an S3 server in memory, moto's, and obeys the lines it is told.

It says where it listens. `away` closes its door and `back` opens it again, with all it holds;
`lose` does the next request but loses the answer; `count` says how many requests there were. Each
line is answered with one.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

if TYPE_CHECKING:
    from collections.abc import Iterable


class Application:
    """Does one request after the other: moto looks for an object and writes it in two steps."""

    def __init__(self) -> None:
        self.requests = 0
        self.lose_answer = False
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._one_at_a_time:
            self.requests += 1
            answer = list(self._moto(environ, start_response))
            if self.lose_answer:
                self.lose_answer = False
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return answer


class Server:
    """Listens at a port that stays the same."""

    def __init__(self) -> None:
        self.app = Application()
        self.port = 0
        self.back()

    def back(self) -> None:
        self._door: BaseWSGIServer = make_server("127.0.0.1", self.port, self.app, threaded=True)
        self.port = self._door.server_port
        self._thread = threading.Thread(target=self._door.serve_forever, daemon=True)
        self._thread.start()

    def away(self) -> None:
        self._door.shutdown()
        self._thread.join()
        self._door.server_close()

    def lose(self) -> None:
        self.app.lose_answer = True

    def count(self) -> int:
        return self.app.requests


def main() -> None:
    logging.disable()
    server = Server()
    print(server.port, flush=True)  # noqa: T201 - the parent reads it
    for line in sys.stdin:
        answer = getattr(server, line.strip())()
        print("done" if answer is None else answer, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
