"""Decoders that do what no decoder should, each on some inputs only."""

from __future__ import annotations

import os
import signal
import time

from app.web.http.errors import BadInputError
from tests.benchmarks.fuzz.target import Target


def _refuse(data: bytes) -> None:
    if data != _SEED:
        raise BadInputError("another word is expected")


def _raise(data: bytes) -> None:
    if data != _SEED:
        raise KeyError(data)


def _hang(data: bytes) -> None:
    while data != _SEED:
        pass


def _dawdle(data: bytes) -> None:
    end = time.process_time() + 0.2
    while data != _SEED and time.process_time() < end:
        pass


def _eat(data: bytes) -> None:
    if data != _SEED:
        bytearray(os.urandom(1)) * (64 * 2**20)


def _crash(data: bytes) -> None:
    if data != _SEED:
        os.kill(os.getpid(), signal.SIGSEGV)


_SEED = b"right"
TARGETS = {
    name: Target(decode, lambda: [_SEED], growth_mib=16)
    for name, decode in {
        "refuses": _refuse,
        "raises": _raise,
        "hangs": _hang,
        "dawdles": _dawdle,
        "eats": _eat,
        "crashes": _crash,
    }.items()
}
