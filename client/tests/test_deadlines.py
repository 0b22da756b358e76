"""The deadline of the blocking client's connections."""

from __future__ import annotations

from types import SimpleNamespace

import httpcore
import pytest

from glyph_client import deadlines
from glyph_client.deadlines import deadline_in


class Wire(httpcore.NetworkStream):
    """Sends and receives one byte a second, by a clock of its own."""

    def __init__(self):
        self.now = 0.0
        self.timeouts = []
        self.sent = b""

    def get_extra_info(self, info):
        assert "socket" == info
        return self

    def settimeout(self, seconds):
        self.timeouts.append(seconds)

    def send(self, data):
        self.now += 1
        self.sent += bytes(data[:1])
        return 1

    def read(self, _max_bytes, timeout=None):
        self.now += 1
        self.timeouts.append(timeout)
        return b"a"


@pytest.fixture
def wire(monkeypatch):
    wire = Wire()
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: wire.now))
    return wire


def test_each_read_has_what_is_left(wire):
    """And none is begun when nothing is."""
    stream = deadlines._BoundedStream(wire)

    with deadline_in(3):
        assert [b"a"] * 3 == [stream.read(9, 5) for _ in range(3)]
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(9, 5)

    assert [3, 2, 1] == wire.timeouts


def test_each_piece_that_is_taken_leaves_less(wire):
    """A server that takes a byte at a time does not get all the time for each."""
    stream = deadlines._BoundedStream(wire)

    with deadline_in(3), pytest.raises(httpcore.WriteTimeout):
        stream.write(b"seven", 5)

    assert [3, 2, 1] == wire.timeouts
    assert b"sev" == wire.sent


def test_a_shorter_timeout_goes_before_the_deadline(wire):
    """A transport of the caller's may have its own."""
    with deadline_in(3):
        deadlines._BoundedStream(wire).read(9, 0.5)

    assert [0.5] == wire.timeouts


def test_outside_a_request_nothing_is_bounded_anew(wire):
    """A transport that is shared works for others as it did."""
    deadlines._BoundedStream(wire).read(9, None)

    assert [None] == wire.timeouts
