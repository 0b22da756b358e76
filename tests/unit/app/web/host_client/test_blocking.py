"""Threads that ask a channel on an event loop in another thread, against a made-up host."""

from __future__ import annotations

import concurrent.futures
import contextvars
import json
import socket
import time

import pytest

from app.ipc.frames import Frame, FrameReader, Kind, Refusal, Refused, encode, encode_refusal
from app.ipc.statistics import STATISTICS, Duration, VersionStatistics
from app.web.host_client.blocking import BlockingHost
from app.web.host_client.client import HostChannel
from app.web.http.errors import (
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
)
from app.web.http.pending_call import PENDING_CALL, PendingCall
from tests.loop_thread import LoopThread
from tests.unit.app.hand_turned_loop import LOOPS, SAFETY_S
from tests.unit.app.host_words import READY, STARTING, answer_to


class FakeHost:
    """A model host that speaks only when told to."""

    def __init__(self, path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(SAFETY_S)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connection = None
        self._reader = FrameReader(2**20)
        self._frames: list[Frame] = []

    def greet(self, status) -> None:
        """Wait for the web worker, and tell it the status."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(SAFETY_S)
        self.tell(status)

    def tell(self, status) -> None:
        self.send(encode(Kind.STATUS, 0, status.model_dump_json().encode()))

    def receive(self) -> Frame:
        while not self._frames:
            data = self._connection.recv(65536)
            assert data, "the web worker has gone"
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self) -> None:
        for sock in (self._connection, self._listener):
            if sock is not None:
                sock.close()


@pytest.fixture
def host(tmp_path):
    host = FakeHost(tmp_path / "host.sock")
    yield host
    host.close()


@pytest.fixture(params=LOOPS)
def loop(request):
    loop = LoopThread(LOOPS[request.param])
    yield loop
    loop.close()


@pytest.fixture
def channel(loop, host, tmp_path):  # noqa: ARG001 - the host must listen
    channel = HostChannel(tmp_path / "host.sock", 2**20)
    loop.call(channel.start)
    yield channel
    if not loop.loop.is_closed():
        loop.loop.call_soon_threadsafe(channel.close)


@pytest.fixture
def blocking(channel, loop) -> BlockingHost:
    return BlockingHost(channel, loop.loop)


@pytest.fixture
def threads():
    """Return an executor whose threads send requests."""
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def ask(threads, blocking):
    """Return a function that predicts one image in a thread of its own."""
    return lambda mark=1: threads.submit(blocking.predict, 1, bytes([mark]), soon())


@pytest.fixture
def pending():
    return PendingCall()


@pytest.fixture
def ask_pending(threads, blocking, pending):
    """Return a function that predicts in a thread whose call can be cancelled."""

    def run(mark: int = 1) -> concurrent.futures.Future:
        context = contextvars.Context()
        context.run(PENDING_CALL.set, pending)
        return threads.submit(context.run, blocking.predict, 1, bytes([mark]), soon())

    return run


def soon() -> float:
    return time.monotonic() + SAFETY_S


def mark(asked: concurrent.futures.Future) -> float:
    return asked.result(SAFETY_S).answer.probabilities[0, 0]


def failure(asked: concurrent.futures.Future) -> BaseException:
    return asked.exception(SAFETY_S)


def until(condition) -> None:
    """Wait for the loop's thread."""
    give_up_at = soon()
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


def test_threads_get_their_own_answers(host, ask):
    """Many ask at once, and the answers come in any order."""
    asked = [ask(number) for number in range(1, 9)]
    host.greet(READY)
    frames = [host.receive() for _ in asked]
    for frame in reversed(frames):
        host.send(answer_to(frame))

    assert list(range(1, 9)) == [mark(each) for each in asked]


def test_a_thread_waits_for_a_version_to_serve(host, threads, blocking):
    """And is told it without waiting once it serves, however near the deadline."""
    waiting = threads.submit(blocking.serving, soon(), 500)
    host.greet(STARTING)
    host.tell(READY)
    loaded = waiting.result(SAFETY_S)

    assert ("ring", "line") == loaded.classes == blocking.serving(0.0).classes
    assert (READY, READY.default) == (blocking.status, blocking.model())


def test_what_does_not_serve_is_not_found(host, threads, blocking):
    """As on the loop."""
    waiting = threads.submit(blocking.serving, soon())
    host.greet(READY)
    waiting.result(SAFETY_S)

    with pytest.raises(NotFoundError, match=r"^shapes version 9 does not serve"):
        blocking.serving(soon(), version=9)
    with pytest.raises(NotFoundError, match=r"^there is no model 'lines'"):
        blocking.model("lines")


@pytest.mark.parametrize(
    ("reason", "error", "retry_after_s"),
    [
        (Refusal.OVERLOADED, OverloadedError, 2.5),
        (Refusal.NOT_READY, NotReadyError, 2.5),
        (Refusal.FAILED, ModelFailedError, None),
    ],
)
def test_refusals_come_through(host, ask, reason, error, retry_after_s):
    """With the host's sentence, and its wait."""
    asked = ask()
    host.greet(READY)
    refused = Refused(reason, 2.5, "the host's sentence")
    host.send(encode_refusal(host.receive().request_id, refused))
    found = failure(asked)

    assert (error, "the host's sentence", retry_after_s) == (
        type(found),
        str(found),
        found.retry_after_s,
    )


def test_a_deadline_ends_the_wait(host, threads, blocking):
    """The host does not answer."""
    asked = threads.submit(blocking.predict, 1, b"x", time.monotonic() + 0.02)
    host.greet(READY)

    assert isinstance(failure(asked), DeadlineError)


def test_what_else_the_host_is_asked_comes_through(host, threads, blocking):
    """Orders, metrics, statistics and examples."""
    serving = threads.submit(blocking.serving, soon())
    host.greet(READY)
    serving.result(SAFETY_S)
    told = [VersionStatistics("shapes", 1, images=2, batches={2: Duration(1, 0.5)})]
    asked = []
    for ask, answer in (
        (lambda: blocking.admin({"action": "pin"}, soon()), b'{"ok": true}'),
        (lambda: blocking.metrics(soon()), b"glyph_up 1\n"),
        (lambda: blocking.statistics(soon()), STATISTICS.dump_json(told)),
        (lambda: blocking.example(soon()).tolist(), b"x"),
    ):
        future = threads.submit(ask)
        frame = host.receive()
        host.send(encode(Kind(frame.kind), frame.request_id, answer))
        asked.append((frame, future.result(SAFETY_S)))

    kinds = [Kind.ADMIN, Kind.METRICS, Kind.STATISTICS, Kind.EXAMPLE]
    assert kinds == [frame.kind for frame, _ in asked]
    assert {"action": "pin"} == json.loads(asked[0][0].body)
    assert [{"ok": True}, b"glyph_up 1\n", told, [[[ord("x")]]]] == [found for _, found in asked]


def test_a_cancelled_call_makes_the_host_drop_the_images(host, loop, pending, ask_pending):
    """The client has gone: its thread is free at once, and the others get their answers."""
    gone = ask_pending()
    host.greet(READY)
    frame = host.receive()
    loop.call(pending.cancel)
    found = failure(gone)

    assert (Kind.CANCEL, frame.request_id) == host.receive()[:2]
    assert isinstance(found, HostLostError)
    assert "the caller is gone, or the service is shutting down" == str(found)


def test_what_is_asked_after_the_client_has_gone_is_not_sent(host, pending, ask, ask_pending):
    """A view may go on for a while; the host hears nothing of it."""
    host.greet(READY)
    pending.cancel()
    found = [failure(ask_pending(mark)) for mark in (1, 2)]
    answered = ask(mark=3)
    host.send(answer_to(host.receive()))

    assert [HostLostError, HostLostError] == [type(error) for error in found]
    assert 3 == mark(answered)


def test_a_client_that_goes_while_its_call_begins_is_noticed(pending):
    """The thread notes what it waits for just after the event loop has cancelled it."""
    future = concurrent.futures.Future()
    pending.cancel()
    pending.begin(future)

    assert future.cancelled()


def test_a_call_is_not_cancelled_by_another_requests_client(host, loop, pending, ask, ask_pending):
    """Each request has a call of its own."""
    asked, gone = ask(mark=1), ask_pending(mark=2)
    host.greet(READY)
    frames = [host.receive() for _ in range(2)]
    loop.call(pending.cancel)
    assert isinstance(failure(gone), HostLostError)
    for frame in frames:
        host.send(answer_to(frame))

    assert 1 == mark(asked)


def test_a_closed_channel_ends_waits(host, channel, loop, threads, blocking):
    """Threads that wait would keep the process from ending."""
    held = threads.submit(blocking.serving, soon())
    asked = threads.submit(blocking.predict, 1, b"x", soon())
    host.greet(STARTING)
    until(lambda: channel.status == STARTING)
    metrics = threads.submit(blocking.metrics, soon())
    assert Kind.METRICS == host.receive().kind
    loop.call(channel.close)
    late = threads.submit(blocking.predict, 1, b"x", soon())

    for future in (held, asked, metrics, late):
        assert isinstance(failure(future), HostLostError | NotReadyError)
        assert 503 == failure(future).status


def test_a_stopped_loop_ends_waits(host, loop, ask, monkeypatch):
    """Nobody would ever tell the threads."""
    monkeypatch.setattr("app.web.host_client.blocking._CHECK_S", 0.01)
    before = ask()
    host.greet(READY)
    host.receive()
    loop.stop()
    after = ask()

    for asked in (before, after):
        assert isinstance(failure(asked), HostLostError)
        assert "the service is shutting down" == str(failure(asked))


def test_a_closed_loop_refuses(loop, channel, blocking):
    """A thread may come late, when the worker has ended but for it."""
    loop.call(channel.close)
    loop.close()

    with pytest.raises(HostLostError, match=r"^the service is shutting down$"):
        blocking.predict(1, b"x", soon())


def test_a_long_wait_outlasts_the_looks(host, ask, monkeypatch):
    """A loop that runs is waited for, however often it was looked at."""
    monkeypatch.setattr("app.web.host_client.blocking._CHECK_S", 0.0)
    asked = ask(mark=5)
    host.greet(READY)
    host.send(answer_to(host.receive()))

    assert 5 == mark(asked)


def test_a_coroutines_own_timeout_is_no_look(blocking, monkeypatch):
    """It is an outcome as any other."""
    monkeypatch.setattr("app.web.host_client.blocking._CHECK_S", 0.0)

    async def time_out():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match=r"^its own$"):
        blocking._wait(time_out())
