"""Ask the service in this container for a path; exit code 0 if it answers 200, else 1.

The image has no curl, and a proxy named in the environment must not be asked, so this is plain
http.client. It needs nothing but the standard library. Over TLS it does not look at the
certificate, which is for the name that others know the service by.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys

_TIMEOUT_S = 3.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - they are looked up


def main(path: str) -> int:
    """Print what came back, which `docker inspect` shows, and give the exit code."""
    bind = os.environ["GLYPH_BIND"].partition(",")[0].strip()
    connection = _connect(bind)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        print(response.status, response.read(500).decode(errors="replace").strip())  # noqa: T201
    except (OSError, http.client.HTTPException) as exc:
        print(f"{path}: {type(exc).__name__}: {exc}")  # noqa: T201
        return 1
    finally:
        connection.close()
    return int(response.status != http.client.OK)


def _connect(bind: str) -> http.client.HTTPConnection:
    context = _context() if os.environ.get("GLYPH_TLS_CERT") else None
    if bind.startswith("unix:"):
        return _UnixConnection(bind.removeprefix("unix:"), context)
    name, _, port = bind.rpartition(":")
    host = _WILDCARDS.get(name, name.strip("[]"))
    if context is None:
        return http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
    return http.client.HTTPSConnection(host, int(port), timeout=_TIMEOUT_S, context=context)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, context: ssl.SSLContext | None) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path
        self._context = context

    def connect(self) -> None:
        """Connect to the socket, over TLS if the service speaks it there."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
