"""A connection in the event loop: what is posted is written in order, and nothing blocks."""

from __future__ import annotations

import os
from pathlib import Path

import gevent
import pytest
from gevent import socket

from app.frames import Frame, FrameReader, Kind, encode
from app.web import host_connection as module
from app.web.host_connection import HostConnection

SAFETY_S = 10
"""How long anything may take before a test gives up; nothing takes that long."""


class Ends:
    """Both ends: the connection under test with what it told, and its peer."""

    def __init__(self, path) -> None:
        self.received: list[Frame] = []
        self.ended: list[Exception] = []
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            self.near = HostConnection(path, 2**20, self.received.append, self.ended.append)
            self.far, _ = listener.accept()
        self._reader = FrameReader(2**24)

    def read(self, count: int) -> list[Frame]:
        """Read frames at the far end."""
        frames: list[Frame] = []
        while len(frames) < count:
            frames += self._reader.feed(self.far.recv(65536))
        return frames


@pytest.fixture(autouse=True)
def give_up():
    """End a conversation that hangs."""
    with gevent.Timeout(SAFETY_S):
        yield


@pytest.fixture
def ends(tmp_path):
    ends = Ends(tmp_path / "sock")
    yield ends
    ends.near.close()
    ends.far.close()


@pytest.fixture
def writes(monkeypatch):
    """Give the sizes of what is written from now on."""
    sizes = []
    write = os.write

    def note(fd, data):
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(module.os, "write", note)
    return sizes


def metrics(number: int, size: int = 0) -> bytes:
    return encode(Kind.METRICS, number, bytes(size))


def test_frames_of_one_turn_go_out_in_one_write(ends, writes):
    """A busy web worker makes one system call for many requests."""
    for number in range(3):
        ends.near.post(metrics(number))
    frames = ends.read(3)

    assert [0, 1, 2] == [frame.request_id for frame in frames]
    assert [48] == writes
    assert 0 == ends.near.unsent


def test_what_the_socket_does_not_take_is_written_later(ends, writes):
    """Frames far larger than its buffer arrive whole and in order, with others posted meanwhile."""
    for number in range(3):
        ends.near.post(metrics(number, 2**20))
    gevent.sleep(0)
    gevent.sleep(0)
    assert 1 <= len(writes)
    assert 0 < ends.near.unsent < 3 * 2**20
    ends.near.post(metrics(3))
    frames = ends.read(4)

    assert [(0, 2**20), (1, 2**20), (2, 2**20), (3, 0)] == [
        (frame.request_id, len(frame.body)) for frame in frames
    ]
    assert 0 == ends.near.unsent


def test_received_frames_are_handed_on(ends):
    """One call for each."""
    ends.far.sendall(metrics(1) + metrics(2))
    until(lambda: ends.received)

    assert [(Kind.METRICS, 1, b""), (Kind.METRICS, 2, b"")] == ends.received
    assert [] == ends.ended


@pytest.mark.parametrize(
    ("last", "error", "sentence"),
    [
        (b"", "ConnectionResetError", "closed by the other end"),
        (bytes(16), "FrameError", "a frame of 0 bytes; at most 1048576"),
    ],
    ids=["closed", "nonsense"],
)
def test_the_end_is_told_once_and_why(ends, last, error, sentence):
    """The peer may close, or send what is no frame."""
    ends.near.post(metrics(1))
    ends.far.sendall(last)
    ends.far.close()
    until(lambda: ends.ended)

    ((kind, text),) = [(type(exc).__name__, str(exc)) for exc in ends.ended]
    assert (error, sentence) == (kind, text)


def test_a_write_that_was_asked_for_before_the_end_is_left_out(ends, writes):
    """The descriptor may be another's by then."""
    ends.near.post(metrics(1))
    ends.near.close()
    ends.near.close()
    gevent.sleep(0)
    gevent.sleep(0)

    assert [] == writes
    assert [] == ends.ended


def test_a_failed_connection_leaves_no_descriptor(tmp_path):
    """Whoever tries until the host is there does so for as long as it takes."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            HostConnection(tmp_path / "nobody", 2**20, print, print)

    assert before == len(list(Path("/proc/self/fd").iterdir()))


def until(condition) -> None:
    """Let the loop run until something holds; the test's own timeout is the bound."""
    while not condition():
        gevent.sleep(0)
