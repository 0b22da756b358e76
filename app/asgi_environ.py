"""Makes the WSGI environment of a request out of its ASGI scope.

Both ways of answering look at it, so that access, limits, logs and deadlines are the same code.
"""

from __future__ import annotations

import io
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from app.access.addresses import UNIX_PEER, plain_address

if TYPE_CHECKING:
    from app.asgi_types import Scope

_PLAIN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the environment of a request, without its body (PEP 3333).

    Args:
        scope: As gunicorn makes it: header names are in lower case, the target is ASCII.
    """
    raw, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    path = raw if raw.startswith("/") else urlsplit(raw).path or raw  # it may name the host too
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    address, port = scope["client"] or (UNIX_PEER, 0)
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
        "REMOTE_ADDR": plain_address(address),
        "REMOTE_PORT": str(port),
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


def _server(scope: Scope) -> tuple[str, str]:
    """Return the name and port that the request came to; a Unix socket has neither."""
    server = scope["server"]
    if scope["client"] is None or server is None:
        return "localhost", "80"
    return server[0], str(server[1])
