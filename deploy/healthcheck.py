"""Ask the service in this container for a path; exit code 0 if it answers 200, else 1.

The image has no curl, and a proxy named in the environment must not be asked, so this is plain
http.client. It needs nothing but the standard library. Over TLS it does not look at the
certificate, which is for the name that others know the service by.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

_TIMEOUT_S = 3.0


def main(path: str) -> int:
    """Print what came back, which `docker inspect` shows, and give the exit code."""
    port = int(os.environ["GLYPH_BIND"].rpartition(":")[2])
    connection = _connect(port)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        print(response.status, response.read(500).decode(errors="replace").strip())  # noqa: T201
    except (OSError, http.client.HTTPException) as exc:
        print(f"{path}: {type(exc).__name__}: {exc}")  # noqa: T201
        return 1
    return int(response.status != http.client.OK)


def _connect(port: int) -> http.client.HTTPConnection:
    if not os.environ.get("GLYPH_TLS_CERT"):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=_TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
