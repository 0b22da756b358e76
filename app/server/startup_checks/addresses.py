"""Checks that the service can listen at its addresses."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path

from gunicorn.util import is_ipv6, parse_address

from app.config.wrong_settings import WrongSettingError
from app.server.startup_checks.sockets import check_socket_path

_HANDED_ON = ("GUNICORN_FD", "LISTEN_PID")
"""Variables that come with sockets that listen already: from a master before, or from systemd."""
_PROBE_S = 1.0
_PROBLEMS = {
    errno.EADDRINUSE: "is in use; end what listens there, or choose another",
    errno.EADDRNOTAVAIL: "is no address of this machine; 0.0.0.0 and [::] stand for all it has",
    errno.EACCES: "may not be listened on by this user; choose a port above 1023",
}


def check_addresses(bind: str) -> None:
    """Check the addresses to listen on, which commas separate.

    Raises:
        WrongSettingError: If the service cannot listen on one of them.
    """
    if any(name in os.environ for name in _HANDED_ON):
        return
    with ExitStack() as probes:
        for text in bind.split(","):
            address = parse_address(text.strip())
            if isinstance(address, str):
                problem = _of_path(Path(address))
            else:
                host, port = address
                problem = _of_port(host, port, probes)
            if problem is not None:
                raise WrongSettingError("bind", bind, problem)


def _of_port(host: str, port: int, probes: ExitStack) -> str | None:
    """Check an address by listening on it, so that one that includes another is found as well."""
    family = socket.AF_INET6 if is_ipv6(host) else socket.AF_INET
    try:
        probe = probes.enter_context(socket.socket(family, socket.SOCK_STREAM))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        probe.bind((host, port))
        probe.listen(0)
    except (socket.gaierror, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no name of a machine"
        return f"{host} cannot be resolved: {reason}; an address of this machine is expected"
    except OSError as exc:
        return f"{host}:{port} {_PROBLEMS.get(exc.errno or 0) or exc.strerror}"
    return None


def _of_path(path: Path) -> str | None:
    if problem := check_socket_path(path):
        return problem
    try:
        if not path.parent.is_dir():
            return f"{path.parent} is no directory; make it, or choose another path"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return f"{path.parent} is not writable for this user"
        return _of_socket(path) if path.exists() else None
    except OSError as exc:
        return f"{path} cannot be looked at: {exc.strerror or exc}"


def _of_socket(path: Path) -> str | None:
    """Check that nobody listens on a socket: gunicorn replaces it, also one that is in use."""
    if not path.is_socket():
        return f"{path} is there and is no socket; choose another path"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(str(path))
    except ConnectionRefusedError:
        return None  # a service that was killed could not remove it
    return f"{path} {_PROBLEMS[errno.EADDRINUSE]}"
