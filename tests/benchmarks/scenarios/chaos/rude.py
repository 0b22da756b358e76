"""Events that clients make: half requests, resets, a byte at a time, answers that nobody reads."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.chaos.done import Done, done
from tests.benchmarks.scenarios.images import as_json, real_images
from tests.benchmarks.scenarios.slow_clients import dribble
from tests.benchmarks.scenarios.wire import request

if TYPE_CHECKING:
    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.plan import Event

_HALF, _RESETS, _SLOW, _DEAF = 40, 200, 40, 20
_UNREAD = 50
_TIMEOUT_S = 10.0
_LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing sends a reset."""


def half_requests(ground: Ground, event: Event) -> Done:
    """Send halves of requests, wait, and leave."""
    body, seconds = as_json(real_images()[:1]), event.lasts_s(0.5, 5)
    with contextlib.ExitStack() as stack:
        for number in range(_HALF):
            half = body[: 20 + number * (len(body) - 20) // _HALF]
            stack.enter_context(_connected(ground)).sendall(half)
        time.sleep(seconds)
    return done(f"{_HALF} for {seconds:.1f} s")


def resets(ground: Ground, event: Event) -> Done:
    """Send whole and half requests, and reset each connection at once."""
    body, dice = as_json(real_images()[:1]), event.dice()
    for _ in range(_RESETS):
        with _connected(ground) as client:
            client.sendall(body[: dice.choice((len(body), dice.randrange(1, len(body))))])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    return done(f"{_RESETS} connections")


def slow_clients(ground: Ground, event: Event) -> Done:
    """Send one byte a second on many connections."""
    seconds = event.lasts_s(1, 6)
    dribble(ground.service.port, _SLOW, seconds)
    return done(f"{_SLOW} for {seconds:.1f} s")


def never_reading(ground: Ground, event: Event) -> Done:
    """Ask for long answers, and read none of them."""
    seconds = event.lasts_s(0.5, 5)
    with contextlib.ExitStack() as stack:
        for _ in range(_DEAF):
            client = stack.enter_context(_connected(ground, small=True))
            client.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                client.sendall(request("/openapi.json") * _UNREAD)
        time.sleep(seconds)
    return done(f"{_DEAF} for {seconds:.1f} s")


def _connected(ground: Ground, *, small: bool = False) -> socket.socket:
    client = socket.socket()
    if small:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(_TIMEOUT_S)
    client.connect(("127.0.0.1", ground.service.port))
    return client
