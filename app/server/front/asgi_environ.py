"""Creates the WSGI environment of a request from its ASGI scope.

Flask and the fast path both use it, so that access, limits, logs and deadlines share their code.
"""

from __future__ import annotations

import io
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from app.config.peer_address import UNIX_PEER, plain_address

if TYPE_CHECKING:
    from app.server.front.asgi_types import Scope

_PLAIN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the environment of a request, without its body (PEP 3333).

    Args:
        scope: As gunicorn makes it: header names are in lower case, the target is ASCII.
    """
    raw, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    path = raw if raw.startswith("/") else _below_host(raw)
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    address, port = _client(scope)
    host, host_port = _server(scope)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": f"{raw}?{query}" if query else raw,
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": host_port,
        "REMOTE_ADDR": address,
        "REMOTE_PORT": port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key, text = _key(name), value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


@lru_cache(maxsize=256)
def _key(name: bytes) -> str:
    return _PLAIN.get(name) or f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"


def _below_host(target: str) -> str:
    """Return the path of a target that names the host too (RFC 9112, section 3.2.2), or is `*`."""
    _, names_host, rest = target.partition("://")
    return f"/{rest.partition('/')[2]}" if names_host else target


def _client(scope: Scope) -> tuple[str, str]:
    """Return the address and port of the other end; a Unix socket has neither."""
    if _is_unix(scope):
        return UNIX_PEER, "0"
    address, port = scope["client"] or ("", 0)  # it may be gone already
    return plain_address(address), str(port)


def _server(scope: Scope) -> tuple[str, str]:
    """Return the name and port that the request came to; a Unix socket has neither."""
    if _is_unix(scope):
        return "localhost", "80"
    address, port = scope["server"] or ("localhost", 80)
    return address, str(port)


def _is_unix(scope: Scope) -> bool:
    """Return whether a request came over a Unix socket, whose path gunicorn cuts in two."""
    server = scope["server"]
    return server is not None and not isinstance(server[1], int)
