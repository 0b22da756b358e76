"""The host's end of the socket, spoken to by real clients over a real Unix socket."""

from __future__ import annotations

import itertools
import queue
import socket
import struct
import threading
import time

import numpy as np
import pytest

from app.host.batching.reply import deliver
from app.host.socket_server import HostServer
from app.host.worker_connection import WorkerConnection
from app.ipc.frames import (
    Answer,
    Frame,
    FrameReader,
    Kind,
    Predict,
    Refusal,
    Refused,
    encode,
    encode_predict,
    example_body,
)

SAFETY_S = 10
"""How long anything may take before a test gives up; nothing takes that long."""
LARGEST = 2**20


class FakeHandler:
    """Notes what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[Predict, object]] = queue.Queue()
        self.refusal: Refused | None = None
        self.problem: Exception | None = None
        self.pauses: list[float] = []
        self.cancelled: queue.Queue[object] = queue.Queue()
        self.left: queue.Queue[object] = queue.Queue()
        self.bugs: list[Exception] = []
        self.rested = threading.Event()
        self.exposition = b"glyph_up 1\n"
        self.examples: dict[tuple[int, int], bytes] = {}

    def predict(self, request, reply_to):
        if self.problem is not None:
            raise self.problem
        self.asked.put((request, reply_to))
        return self.refusal

    def cancel(self, reply_to):
        self.cancelled.put(reply_to)

    def gone(self, connection):
        self.left.put(connection)

    def metrics(self):
        return self.exposition

    def example(self, model, version):
        return self.examples.get((model, version))

    def statistics(self):
        return b"[]"

    def work(self):
        if self.bugs:
            raise self.bugs.pop()
        if self.pauses:
            return self.pauses.pop()
        self.rested.set()
        return None


class Client:
    """A web worker's end: blocking, so that a test reads as a conversation."""

    def __init__(self, path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SAFETY_S)
        self.sock.connect(str(path))
        self._frames = self._read()

    def _read(self):
        reader = FrameReader(2**28)
        while data := self.sock.recv(65536):
            yield from reader.feed(data)

    def receive(self) -> Frame | None:
        """Wait for the next frame; None at the end of the connection."""
        try:
            return next(self._frames, None)
        except ConnectionResetError:
            return None

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def predict(self, request_id: int = 1) -> None:
        self.send(encode_predict(request_id, 5.0, 1, b"pixels"))


@pytest.fixture
def handler() -> FakeHandler:
    return FakeHandler()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "host.sock"


@pytest.fixture
def server(path, handler, clock):
    """Run a server that has announced its first status."""
    server = HostServer(path, handler, LARGEST, clock)
    server.announce(b"starting")
    server.listen()
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.close()
    thread.join(SAFETY_S)
    assert not thread.is_alive()


@pytest.fixture
def connect(path, server):  # noqa: ARG001 - it must be there
    """Return a function that connects a client and reads the greeting."""
    clients = []

    def run() -> Client:
        clients.append(Client(path))
        assert Kind.STATUS == clients[-1].receive().kind
        return clients[-1]

    yield run
    for client in clients:
        client.sock.close()


def answer(mark: float, size: int = 2) -> Answer:
    return Answer(1, 0.0, 0.0, np.full((1, size), mark, np.float32))


def mark(frame: Frame) -> float:
    return Answer.decode(frame.body).probabilities[0, 0]


def status(text: bytes) -> Frame:
    return Frame(Kind.STATUS, 0, text)


def test_a_new_connection_is_told_the_status(server, path):
    """The newest one, once, before anything else."""
    server.announce(b"ready")
    client = Client(path)
    with client.sock:
        assert status(b"ready") == client.receive()


def test_every_connection_is_told_of_a_change(server, connect):
    """All of them, in the order of the changes."""
    clients = [connect(), connect()]
    server.announce(b"ready")
    server.announce(b"gone")

    for client in clients:
        assert [status(b"ready"), status(b"gone")] == [client.receive(), client.receive()]


def test_a_request_reaches_the_handler(connect, handler):
    """With its deadline, count and pixels."""
    connect().send(encode_predict(9, 123.5, 2, b"pixels"))

    request, _ = handler.asked.get(timeout=SAFETY_S)
    assert Predict(123.5, 2, b"pixels") == request


def test_work_goes_on_while_some_is_left(connect, handler):
    """After a request the handler is called until it says that nothing waits."""
    client = connect()
    handler.pauses = [0.0, 0.001, 0.0]
    handler.rested.clear()
    client.predict(request_id=1)

    assert handler.rested.wait(SAFETY_S)
    assert [] == handler.pauses


def test_every_connection_hears_that_the_loop_turns(server, connect, clock):
    """Four times a second, whether there is anything to say or not."""
    clients = [connect(), connect()]
    heartbeats = server.heartbeats
    clock.tick(0.2)
    server.wake()
    for client in clients:
        settle(client)
    assert heartbeats == server.heartbeats
    clock.tick(0.05)
    server.wake()

    for client in clients:
        assert Frame(Kind.HEARTBEAT, 0, b"") == client.receive()
    assert heartbeats + 1 == server.heartbeats


def test_the_loop_turns_while_nothing_comes(server, clock):
    """It does not sleep for longer than until its next word."""
    heartbeats = server.heartbeats
    clock.tick(0.25)
    end = time.monotonic() + SAFETY_S
    while server.heartbeats == heartbeats:
        assert time.monotonic() < end


def test_a_slow_yield_ends_the_looks(server, connect, clock, monkeypatch):
    """Beside a busy process a yield costs a time slice: one is paid for each beat, and no more."""
    client = connect()
    settle(client)
    yields = itertools.count()

    def slow():
        next(yields)
        clock.tick(0.3)

    monkeypatch.setattr("app.host.socket_server.os.sched_yield", slow)
    for _ in range(3):
        server.wake()
        assert Frame(Kind.HEARTBEAT, 0, b"") == client.receive()

    assert 8 > next(yields)


def test_a_bug_in_the_work_does_not_end_the_server(connect, handler, caplog):
    """It costs a line in the log, and the next request is handled."""
    client = connect()
    handler.bugs = [ZeroDivisionError()]
    client.predict(request_id=1)
    handler.asked.get(timeout=SAFETY_S)
    client.predict(request_id=2)

    handler.asked.get(timeout=SAFETY_S)
    assert "work step failed" in caplog.messages


def test_answers_go_to_whoever_asked(connect, handler):
    """Two web workers use the same request id without mixing."""
    pending_replies = []
    clients = [connect(), connect()]
    for client in clients:
        client.predict(request_id=7)
        pending_replies.append(handler.asked.get(timeout=SAFETY_S)[1])
    deliver([(pending_replies[1], answer(0.25)), (pending_replies[0], answer(0.75))])

    frames = [client.receive() for client in clients]
    assert [(7, 0.75), (7, 0.25)] == [(frame.request_id, mark(frame)) for frame in frames]


def test_answers_come_in_any_order(connect, handler):
    """Each names its request."""
    client = connect()
    for request_id in (1, 2):
        client.predict(request_id)
    first, second = (handler.asked.get(timeout=SAFETY_S)[1] for _ in range(2))
    deliver([(second, answer(0.5)), (first, Refused(Refusal.EXPIRED, 0, "late"))])

    frames = [client.receive(), client.receive()]
    assert [(2, Kind.ANSWER), (1, Kind.REFUSAL)] == [(f.request_id, f.kind) for f in frames]


def test_a_refusal_at_the_door_is_sent_at_once(connect, handler):
    """It needs no batch."""
    handler.refusal = Refused(Refusal.OVERLOADED, 2.0, "full")
    client = connect()
    client.predict(request_id=3)

    frame = client.receive()
    assert (Kind.REFUSAL, 3) == (frame.kind, frame.request_id)
    assert handler.refusal == Refused.decode(frame.body)


def test_a_cancelled_request_is_told_to_the_handler(connect, handler):
    """By the reply address that it came with, of this web worker and no other."""
    client, other = connect(), connect()
    for asking in (client, other):
        asking.predict(request_id=7)
    pending_replies = [handler.asked.get(timeout=SAFETY_S)[1] for _ in range(2)]
    client.send(encode(Kind.CANCEL, 7))
    settle(other)
    cancelled = handler.cancelled.get(timeout=SAFETY_S)

    assert cancelled in pending_replies
    assert handler.cancelled.empty()
    other.send(encode(Kind.CANCEL, 7))
    assert {*pending_replies} == {cancelled, handler.cancelled.get(timeout=SAFETY_S)}


def test_what_a_web_worker_asked_goes_with_it(connect, handler):
    """The handler is told which connection has ended."""
    client, other = connect(), connect()
    client.predict()
    _, (connection, _) = handler.asked.get(timeout=SAFETY_S)
    client.sock.close()

    assert connection is handler.left.get(timeout=SAFETY_S)
    settle(other)
    assert handler.left.empty()


def test_metrics_are_answered(connect):
    """On the same connection, under the request's id."""
    client = connect()
    client.send(encode(Kind.METRICS, 4))

    assert Frame(Kind.METRICS, 4, b"glyph_up 1\n") == client.receive()


def test_statistics_are_answered(connect):
    """Likewise."""
    client = connect()
    client.send(encode(Kind.STATISTICS, 4))

    assert Frame(Kind.STATISTICS, 4, b"[]") == client.receive()


def test_many_requests_may_come_in_pieces(connect, handler):
    """The server reads a stream: neither a read nor a write need be a frame."""
    client = connect()
    data = b"".join(encode_predict(n, 5.0, n, bytes(1000)) for n in range(1, 9))
    for start in range(0, len(data), 700):
        client.send(data[start : start + 700])

    asked = [handler.asked.get(timeout=SAFETY_S)[0].rows for _ in range(8)]
    assert list(range(1, 9)) == asked


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\nHost: glyph\r\n\r\n",
        struct.pack("<IBxxxQ", LARGEST + 1, Kind.PREDICT, 1),
        encode(Kind.PREDICT, 1, b"short"),
        encode(Kind.ANSWER, 1),
        struct.pack("<IBxxxQ", 12, 99, 1),
    ],
    ids=["HTTP", "too large", "too short", "an answer", "unknown kind"],
)
def test_a_broken_frame_costs_its_connection_only(connect, handler, caplog, nonsense):
    """It is closed with a line in the log, and every other one is served on."""
    broken, other = connect(), connect()
    broken.send(nonsense)

    assert broken.receive() is None
    other.predict()
    assert handler.asked.get(timeout=SAFETY_S)
    assert ["connection of a web worker ended"] == [m.split(":")[0] for m in caplog.messages]


def test_a_bug_in_the_handler_costs_the_connection_only(connect, handler, caplog):
    """The thread that reads for everybody lives on."""
    broken, other = connect(), connect()
    handler.problem = ZeroDivisionError()
    broken.predict()

    assert broken.receive() is None
    assert "ZeroDivisionError" in caplog.text
    handler.problem = None
    other.predict()
    assert handler.asked.get(timeout=SAFETY_S)


def test_a_web_worker_that_goes_is_forgotten(server, connect, handler):
    """What is still delivered to it is dropped without harm."""
    gone, other = connect(), connect()
    gone.predict()
    _, reply_to = handler.asked.get(timeout=SAFETY_S)
    gone.sock.close()
    settle(other)
    deliver([(reply_to, answer(0.5))])
    server.announce(b"on")

    assert status(b"on") == other.receive()
    assert 1 == server.connected


def test_a_connection_is_not_closed_under_a_thread_that_sends():
    """Else the number of its socket might be another's by the time that it is written to."""
    events = []

    class Socket:
        """Is closed by another thread in the middle of sending."""

        def setblocking(self, _flag):
            pass

        def close(self):
            events.append("closed")

        def send(self, data):
            closing.start()
            closing.join(0.05)  # it has to wait, or would be done by then
            events.append("sent")
            return len(data)

    connection = WorkerConnection(Socket(), LARGEST, lambda: None)
    closing = threading.Thread(target=connection.close)
    connection.send(b"answer")
    closing.join(SAFETY_S)

    assert ["sent", "closed"] == events


def test_a_slow_reader_gets_all_its_bytes(server, connect, handler):
    """Far more than the socket's buffer is kept, and sent in order when there is room."""
    client = connect()
    client.predict()
    _, reply_to = handler.asked.get(timeout=SAFETY_S)
    for number in range(20):
        deliver([(reply_to, answer(number, size=100_000))])
    server.announce(b"last")

    assert list(range(20)) == [mark(client.receive()) for _ in range(20)]
    assert status(b"last") == client.receive()


def test_a_slow_reader_holds_nobody_up(connect, handler):
    """While its bytes are kept, others are answered."""
    slow, other = connect(), connect()
    pending_replies = []
    for client in (slow, other):
        client.predict()
        pending_replies.append(handler.asked.get(timeout=SAFETY_S)[1])
    deliver([(pending_replies[0], answer(0.25, size=2_000_000)), (pending_replies[1], answer(0.5))])

    assert 0.5 == mark(other.receive())
    assert 0.25 == mark(slow.receive())


def test_a_reader_that_is_behind_gets_refusals(connect, handler, monkeypatch):
    """They take little, so that the connection and all that waits on it are kept."""
    monkeypatch.setattr("app.host.worker_connection._UNSENT_LIMIT", 2**20)
    slow = connect()
    for request_id in range(1, 11):
        slow.predict(request_id)
        _, reply_to = handler.asked.get(timeout=SAFETY_S)
        deliver([(reply_to, answer(0.5, size=100_000))])
    slow.send(encode(Kind.METRICS, 11))

    frames = [
        frame for frame in (slow.receive() for _ in range(11)) if frame.kind != Kind.HEARTBEAT
    ]
    assert [*range(1, 12)] == [frame.request_id for frame in frames]
    kinds = [frame.kind for frame in frames]
    answered = kinds.count(Kind.ANSWER)
    assert [Kind.ANSWER] * answered + [Kind.REFUSAL] * (10 - answered) == kinds[:10]
    assert 1 < answered < 10
    assert Refusal.OVERLOADED == Refused.decode(frames[9].body).reason


def test_what_does_not_fit_into_a_frame_is_refused(server, connect, handler, caplog):
    """It would cost the connection, and with it all that waits."""
    client = connect()
    handler.exposition = bytes(LARGEST)
    client.send(encode(Kind.METRICS, 4))
    frame = client.receive()

    sentence = "metrics of 1048576 bytes do not fit into a frame"
    assert (Kind.REFUSAL, 4) == (frame.kind, frame.request_id)
    assert Refused(Refusal.FAILED, 0.0, sentence) == Refused.decode(frame.body)
    assert [f"{sentence}; at most 1048576 do"] == caplog.messages
    assert 1 == server.connected


def test_an_example_is_answered(connect, handler):
    """With its pixels; one that is gone is a refusal."""
    client = connect()
    handler.examples[2, 7] = b"pixels"
    client.send(encode(Kind.EXAMPLE, 5, example_body(2, 7)))
    client.send(encode(Kind.EXAMPLE, 6, example_body(2, 8)))

    assert Frame(Kind.EXAMPLE, 5, b"pixels") == client.receive()
    assert Refusal.NOT_FOUND == Refused.decode(client.receive().body).reason


def test_a_reader_that_never_reads_is_given_up(server, connect, handler, monkeypatch):
    """Beyond the last bound the connection is closed and what was kept for it is let go."""
    monkeypatch.setattr("app.host.worker_connection._GIVEN_UP", 2**20)
    stuck, other = connect(), connect()
    stuck.predict()
    _, reply_to = handler.asked.get(timeout=SAFETY_S)
    for _ in range(10):
        deliver([(reply_to, answer(0.5, size=100_000))])
    settle(other)

    assert 1 == server.connected
    connection, _ = reply_to
    assert 0 == len(connection.unsent)
    assert 10 > sum(1 for _ in iter(stuck.receive, None))


def test_a_failed_accept_does_not_end_the_server(path, handler, clock):
    """A process out of file descriptors answers those who are connected."""
    server = HostServer(path, handler, LARGEST, clock)
    server._listener = FlakyListener(server._listener)
    server.announce(b"starting")
    server.listen()
    thread = threading.Thread(target=server.run)
    thread.start()
    client = Client(path)
    with client.sock:
        assert status(b"starting") == client.receive()
    server.close()
    thread.join(SAFETY_S)
    assert not thread.is_alive()


def test_closing_ends_every_connection(path, handler, clock):
    """Web workers see it and connect to the next host."""
    server = HostServer(path, handler, LARGEST, clock)
    server.listen()
    thread = threading.Thread(target=server.run)
    thread.start()
    client = Client(path)
    with client.sock:
        client.receive()
        server.close()
        thread.join(SAFETY_S)

        assert client.receive() is None


def test_closing_twice_is_no_fault(path, handler, clock):
    """Whoever closes need not know whether the server's thread has ended."""
    server = HostServer(path, handler, LARGEST, clock)
    server.close()
    server.run()
    server.close()


@pytest.mark.parametrize("what", ["removed", "a file", "a dead socket"])
def test_a_socket_that_is_gone_is_bound_anew(  # noqa: PLR0917 - fixtures
    server, connect, handler, path, clock, what, caplog
):
    """New web workers find the host again, and the old ones never lost it."""
    old = connect()
    path.unlink()
    if what == "a file":
        path.touch()
    if what == "a dead socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    clock.tick(0.25)
    server.wake()
    assert Kind.HEARTBEAT == old.receive().kind
    new = connect()

    for client in (old, new):
        client.predict()
        assert handler.asked.get(timeout=SAFETY_S)
    assert [f"socket {path} was gone, bound it again"] == caplog.messages


def test_a_socket_that_cannot_be_bound_anew_is_tried_again(server, connect, path, clock):
    """The directory may be gone as well, and come back."""
    old = connect()
    path.unlink()
    moved = path.parent.rename(path.parent.with_name("moved"))
    clock.tick(0.25)
    server.wake()
    assert Kind.HEARTBEAT == old.receive().kind
    moved.rename(path.parent)
    clock.tick(0.25)
    server.wake()
    assert Kind.HEARTBEAT == old.receive().kind

    connect()


def test_a_successor_keeps_the_name(server, connect, handler, path, clock):
    """A host that is about to end does not take it back."""
    old = connect()
    successor = HostServer(path, handler, LARGEST, clock)
    clock.tick(0.25)
    server.wake()
    assert Kind.HEARTBEAT == old.receive().kind

    assert successor._inode == path.stat().st_ino
    assert (True, False) == (server.is_succeeded, successor.is_succeeded)
    successor.close()
    successor.run()


def test_a_dead_hosts_socket_is_replaced(path, handler, clock):
    """A host that was killed leaves its socket behind; the next one takes the name."""
    first = HostServer(path, handler, LARGEST, clock)
    second = HostServer(path, handler, LARGEST, clock)
    second.listen()
    thread = threading.Thread(target=second.run)
    thread.start()
    client = Client(path)
    with client.sock:
        assert status(b"") == client.receive()
    for server in (first, second):
        server.close()
    first.run()
    thread.join(SAFETY_S)


class FlakyListener:
    """A listening socket whose first accept fails."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fileno = sock.fileno
        self.listen = sock.listen
        self.close = sock.close
        self._calls = itertools.count()

    def accept(self):
        if next(self._calls) == 0:
            raise OSError(24, "Too many open files")
        return self.sock.accept()


def settle(client: Client) -> None:
    """Wait until the server has done all that it was told before."""
    for _ in range(2):  # what is ready at the same time is served in any order
        client.send(encode(Kind.METRICS, 0))
        assert Kind.METRICS == client.receive().kind


def test_a_host_with_nothing_to_do_sleeps(server, monkeypatch):
    """It looks around for a moment after something came, and then no more."""
    looks = []
    monkeypatch.setattr("os.sched_yield", lambda: looks.append(1))
    server.wake()
    end = time.monotonic() + SAFETY_S
    while len(looks) < 400:
        assert time.monotonic() < end

    assert len(looks) < 2000
