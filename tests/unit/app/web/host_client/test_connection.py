"""A connection in the event loop: what is posted is written in order, and nothing blocks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from app.ipc.frames import Frame, FrameReader, Kind, encode
from app.web.host_client.connection import HostConnection
from tests.unit.app.hand_turned_loop import LOOPS, HandTurnedLoop


class Ends:
    """Both ends: the connection under test with what it told, and its peer."""

    def __init__(self, loop: HandTurnedLoop, path: Path) -> None:
        self._loop = loop
        self.received: list[Frame] = []
        self.near = loop.call(lambda: HostConnection(2**20, self.received.append))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            loop.wait(self.near.open(path))
            self.far, _ = listener.accept()
        self.far.setblocking(False)  # noqa: FBT003
        self._reader = FrameReader(2**24)

    def read(self, count: int) -> list[Frame]:
        """Read frames at the far end."""
        frames: list[Frame] = []
        while len(frames) < count:
            data = self._loop.wait(self._loop.loop.sock_recv(self.far, 65536))
            frames += self._reader.feed(data)
        return frames

    def why(self) -> tuple[str, str]:
        """Wait for the end; returns its reason."""
        reason = self._loop.wait(self.near.ended)
        return type(reason).__name__, str(reason)


@pytest.fixture(params=LOOPS)
def loop(request):
    with HandTurnedLoop(request.param) as loop:
        yield loop


@pytest.fixture
def ends(loop, tmp_path):
    ends = Ends(loop, tmp_path / "sock")
    yield ends
    ends.near.close()
    ends.far.close()
    loop.turn()


@pytest.fixture
def writes(ends, monkeypatch):
    """Return the sizes of the writes to the transport from now on."""
    sizes = []
    transport = ends.near._transport

    class Noted:
        def __getattr__(self, name):
            return getattr(transport, name)

        def writelines(self, frames):
            sizes.append(sum(map(len, frames)))
            transport.writelines(frames)

    monkeypatch.setattr(ends.near, "_transport", Noted())
    return sizes


def metrics(number: int, size: int = 0) -> bytes:
    return encode(Kind.METRICS, number, bytes(size))


def test_frames_of_one_turn_go_out_in_one_write(ends, writes):
    """A busy web worker makes one system call for many requests."""
    for number in range(3):
        ends.near.post(metrics(number))
    unsent = ends.near.unsent
    frames = ends.read(3)

    assert [0, 1, 2] == [frame.request_id for frame in frames]
    assert (48, [48]) == (unsent, writes)
    assert 0 == ends.near.unsent


def test_what_the_socket_does_not_take_is_written_later(loop, ends, writes):
    """Frames far larger than its buffer arrive whole and in order, with others posted meanwhile."""
    for number in range(3):
        ends.near.post(metrics(number, 2**20))
    loop.turn()
    assert 1 == len(writes)
    assert 0 < ends.near.unsent < 3 * 2**20
    ends.near.post(metrics(3))
    frames = ends.read(4)
    loop.until(lambda: not ends.near.unsent)

    assert [(0, 2**20), (1, 2**20), (2, 2**20), (3, 0)] == [
        (frame.request_id, len(frame.body)) for frame in frames
    ]


def test_received_frames_are_handed_on(loop, ends):
    """One call for each."""
    ends.far.sendall(metrics(1) + metrics(2))
    loop.until(lambda: ends.received)

    assert [(Kind.METRICS, 1, b""), (Kind.METRICS, 2, b"")] == ends.received
    assert ends.near.is_open
    assert not ends.near.ended.done()


@pytest.mark.parametrize(
    ("last", "error", "sentence"),
    [
        (b"", "ConnectionResetError", "closed by the other end"),
        (bytes(16), "FrameError", "a frame of 0 bytes; at most 1048576"),
    ],
    ids=["closed", "nonsense"],
)
def test_the_end_is_told_and_why(ends, last, error, sentence):
    """The peer may close, or send what is no frame."""
    ends.far.sendall(last)
    ends.far.close()

    assert (error, sentence) == ends.why()
    assert not ends.near.is_open


def test_a_write_that_was_asked_for_before_the_end_is_left_out(loop, ends, writes):
    """The descriptor may be another's by then; nor is anything sent that is posted later."""
    ends.near.post(metrics(1))
    ends.near.close()
    ends.near.close()
    ends.near.post(metrics(2))
    assert not ends.near.is_open
    loop.wait(ends.near.ended)
    ends.near.post(metrics(3))
    loop.turn()

    assert ([], 0) == (writes, ends.near.unsent)


def test_what_came_before_the_end_is_received_though_a_write_failed(ends):
    """A host that goes may have answered; the next request must not cost those answers."""
    ends.far.sendall(metrics(1) + metrics(2))
    ends.far.close()
    ends.near._transport.write(metrics(3))

    assert "BrokenPipeError" == ends.why()[0]
    assert [1, 2] == [frame.request_id for frame in ends.received]


def test_nonsense_before_the_end_is_told_though_a_write_failed(ends):
    """It says more of the other end than the failed write does."""
    ends.far.sendall(metrics(1) + bytes(16))
    ends.far.close()
    ends.near._transport.write(metrics(2))

    assert ("FrameError", "a frame of 0 bytes; at most 1048576") == ends.why()
    assert [1] == [frame.request_id for frame in ends.received]


def test_frames_that_cannot_be_taken_end_the_connection(loop, ends):
    """Whatever their receiver raises is the reason, and nothing after it is handed on."""

    def refuse(frame):
        ends.received.append(frame)
        raise ValueError("no such thing")

    ends.near._receive = refuse
    ends.far.sendall(metrics(1) + metrics(2))

    assert ("ValueError", "no such thing") == ends.why()
    assert [1] == [frame.request_id for frame in ends.received]
    assert b"" == loop.wait(loop.loop.sock_recv(ends.far, 1))


def test_a_failed_connection_leaves_no_descriptor(loop, tmp_path):
    """Whoever tries until the host is there does so for as long as it takes."""

    async def fail():
        with pytest.raises(FileNotFoundError):
            await HostConnection(2**20, print).open(tmp_path / "nobody")

    loop.wait(fail())
    loop.turn()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        loop.wait(fail())
        loop.turn()

    assert before == len(list(Path("/proc/self/fd").iterdir()))
