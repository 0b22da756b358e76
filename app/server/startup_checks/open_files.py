"""The limit on open files: as high as is needed, or as high as it may be."""

from __future__ import annotations

import resource

from app.config.wrong_settings import SurroundingsError
from app.server.connections.connection_table import SPARE_CONNECTIONS

_CONNECTIONS = 1000
_SPARE = 64 + SPARE_CONNECTIONS
"""What a process opens besides those: libraries, counters, sockets of its own."""
_FEWEST = 64
"""Connections of a web worker with which a service is of use."""


def connections_within_limit() -> int:
    """Return how many connections a web worker may have; raises the soft limit as far as needed.

    Raises:
        SurroundingsError: If the hard limit leaves too few.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _SPARE
    if 0 <= soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if 0 <= soft < _FEWEST + _SPARE:
        raise SurroundingsError(
            f"the hard limit on open files (RLIMIT_NOFILE, ulimit -n) is {hard}; at least "
            f"{_FEWEST + _SPARE} are needed, and {wanted} for all {_CONNECTIONS} connections of a "
            "web worker: raise it"
        )
    return _CONNECTIONS if soft < 0 else min(_CONNECTIONS, soft - _SPARE)
