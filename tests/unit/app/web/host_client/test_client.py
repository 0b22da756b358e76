"""The web worker's channel, against a small host that does what each test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from functools import partial

import pytest

from app.config.host_trouble import end_host_trouble, note_host_trouble
from app.ipc.frames import (
    Frame,
    FrameError,
    FrameReader,
    Kind,
    Predict,
    Refusal,
    Refused,
    decode_example,
    encode,
    encode_refusal,
)
from app.ipc.statistics import STATISTICS, Duration, VersionStatistics
from app.ipc.status import HostStatus, ModelStatus, VersionStatus
from app.web.host_client.client import HostChannel, Prediction
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    HostLostError,
    ModelFailedError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    ServiceError,
    TooLargeError,
)
from tests.unit.app.hand_turned_loop import LOOPS, SAFETY_S, HandTurnedLoop, finish
from tests.unit.app.host_words import EMPTY, READY, STARTING, answer_to, loaded


class FakeHost:
    """A model host that accepts one web worker at a time and speaks only when told to."""

    def __init__(self, loop: HandTurnedLoop, path) -> None:
        path.unlink(missing_ok=True)
        self._loop = loop
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.setblocking(False)  # noqa: FBT003
        self._connection = None

    def greet(self, status: HostStatus) -> None:
        """Wait for the web worker, and tell it the status."""
        self._accepted(self._loop.wait(self._loop.loop.sock_accept(self._listener))[0])
        self.tell(status)

    def greet_at_once(self, status: HostStatus) -> None:
        """Send a web worker the status in the loop turn in which it connects."""

        def tell() -> bool:
            with contextlib.suppress(BlockingIOError):
                self._accepted(self._listener.accept()[0])
                self._connection.send(encode(Kind.STATUS, 0, status.model_dump_json().encode()))
            return self._connection is not None

        self._loop.until(tell)

    def _accepted(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003
        self._connection = connection
        self._reader = FrameReader(2**20)
        self._frames: list[Frame] = []

    def receive(self) -> Frame | None:
        """Wait for the next frame; None at the end of the connection."""
        while not self._frames:
            data = self._loop.wait(self._loop.loop.sock_recv(self._connection, 65536))
            if not data:
                return None
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def tell(self, status: HostStatus) -> None:
        self.send(encode(Kind.STATUS, 0, status.model_dump_json().encode()))

    def answer(self, request: Frame, *, version: int = 1) -> None:
        """Answer with the request's first pixel."""
        self.send(answer_to(request, version))

    def send(self, data: bytes) -> None:
        self._loop.wait(self._loop.loop.sock_sendall(self._connection, data))

    def hang_up(self) -> None:
        """End the connection, and go on to listen."""
        self._connection.close()
        self._connection = None

    def is_left_alone(self) -> bool:
        """Return whether the connection that was made, if any, has ended."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return True
        with connection:
            connection.setblocking(False)  # noqa: FBT003
            with contextlib.suppress(BlockingIOError):
                return connection.recv(1) == b""
            return False

    def die(self) -> None:
        for sock in (self._connection, self._listener):
            if sock is not None:
                sock.close()


DOTS = ModelStatus(
    name="dots",
    ready=True,
    reason=None,
    default=4,
    versions=(
        VersionStatus(version=5, state="serving", loaded=loaded("black", "white")),
        VersionStatus(version=4, state="serving", loaded=loaded("dark", "light")),
        VersionStatus(version=3, state="refused", reason="it is empty"),
    ),
)
BOTH = HostStatus.of(READY.default, DOTS)


@pytest.fixture(params=LOOPS)
def loop(request):
    with HandTurnedLoop(request.param) as loop:
        yield loop


@pytest.fixture
def path(tmp_path):
    return tmp_path / "host.sock"


@pytest.fixture
def start_host(loop, path):
    """Return a function that starts a host; the one before it must have died."""
    hosts = []

    def start() -> FakeHost:
        hosts.append(FakeHost(loop, path))
        return hosts[-1]

    yield start
    for host in hosts:
        host.die()


@pytest.fixture
def host(start_host) -> FakeHost:
    return start_host()


@pytest.fixture
def shed() -> list[str]:
    """Why requests were refused without asking the host."""
    return []


@pytest.fixture
def channel(loop, path, clock, shed, monkeypatch):
    monkeypatch.setattr("app.web.host_client.host_link._RECONNECT_S", 0.001)
    monkeypatch.setattr("app.web.host_client.calls._SWEEP_S", 0.001)
    channel = HostChannel(path, 2**20, clock, silence_s=3600, on_shed=shed.append)
    loop.call(channel.start)
    yield channel
    channel.close()
    loop.turn()


@pytest.fixture
def deadline(clock) -> float:
    """A deadline that no test reaches."""
    return clock.now + SAFETY_S


@pytest.fixture
def ask(loop, channel, deadline):
    """Return a function that predicts one image in a task of its own."""

    def run(mark: int = 1, until: float = deadline) -> asyncio.Task[Prediction]:
        return loop.spawn(channel.predict(1, bytes([mark]), until))

    return run


def mark(request: asyncio.Task[Prediction]) -> float:
    """Wait for a prediction; gives the pixel that it is about."""
    finish(request)
    return request.result().answer.probabilities[0, 0]


def failure(request: asyncio.Task[Prediction]) -> BaseException | None:
    """Wait for a prediction that fails; gives its error."""
    finish(request)
    return request.exception()


def test_before_the_host_is_there_it_is_starting(path, clock):
    """A web worker that is faster than the host lets requests wait."""
    status = HostChannel(path, 2**20, clock).status

    assert (False, True) == (status.ready, status.starting)
    assert "the model host is being started" == status.reason


def test_a_host_that_comes_late_is_found(loop, start_host, ask):
    """The channel tries until somebody listens."""
    request = ask(mark=4)
    loop.turn()
    host = start_host()
    host.greet(READY)
    host.answer(host.receive())

    assert 4 == mark(request)


def test_a_host_that_speaks_in_the_turn_in_which_it_is_connected_is_heard(
    loop, start_host, channel, ask
):
    """Its status may be there before whoever connects goes on; what waits for it is sent."""
    request = ask(mark=4)
    loop.turn()
    host = start_host()
    host.greet_at_once(READY)
    host.answer(host.receive())

    assert 4 == mark(request)
    assert channel._calls.link._greeted


def test_a_request_is_one_frame(host, ask, deadline):
    """The host gets the deadline, the count and the pixels."""
    request = ask(mark=7)
    host.greet(READY)

    frame = host.receive()
    assert Kind.PREDICT == frame.kind
    assert Predict(deadline, 1, bytes([7])) == Predict.decode(frame.body)
    host.answer(frame)
    assert 7 == mark(request)


def test_a_prediction_has_its_versions_classes(loop, host, ask):
    """They are those of the version that answered, with its times."""
    request = ask()
    host.greet(READY)
    host.answer(host.receive())

    prediction = loop.wait(request)
    assert ("ring", "line") == prediction.classes
    assert (1, 0.5, 0.25) == (
        prediction.answer.version,
        prediction.answer.queue_s,
        prediction.answer.inference_s,
    )


def test_answers_may_come_in_any_order(host, ask):
    """Each goes to its own request."""
    requests = [ask(mark) for mark in (1, 2, 3)]
    host.greet(READY)
    frames = [host.receive() for _ in requests]
    for frame in reversed(frames):
        host.answer(frame)

    assert [1, 2, 3] == [mark(request) for request in requests]


def test_a_request_waits_while_the_first_version_is_loaded(loop, host, channel, ask, deadline):
    """It is sent when there is somebody to answer it: what needs no version overtakes it."""
    request = ask()
    host.greet(STARTING)
    loop.until(lambda: channel.status == STARTING)
    loop.spawn(channel.metrics(deadline))
    first = host.receive()
    host.tell(READY)
    second = host.receive()
    host.answer(second)

    assert (Kind.METRICS, Kind.PREDICT) == (first.kind, second.kind)
    assert 1 == mark(request)


def test_requests_that_wait_are_refused_when_nothing_is_coming(host, ask):
    """A store that turns out empty is said to be so, to those who waited as well."""
    request = ask()
    host.greet(STARTING)
    host.tell(EMPTY)

    assert isinstance(failure(request), NotReadyError)
    assert "the store is empty" == str(failure(request))
    assert 1 == failure(request).retry_after_s


def test_the_model_is_told_once_it_serves(loop, host, channel, deadline):
    """Whoever asks while it is loaded waits for it."""
    request = loop.spawn(channel.serving(deadline))
    host.greet(STARTING)
    host.tell(READY)

    assert loaded("ring", "line") == loop.wait(request)


def test_the_model_is_waited_for_while_the_host_is_away(loop, host, start_host, channel, deadline):
    """A host that comes back is worth waiting for as the first one was."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    host.die()
    loop.until(lambda: not channel.status.ready)
    request = loop.spawn(channel.serving(deadline))
    loop.turn()
    start_host().greet(READY)

    assert loaded("ring", "line") == loop.wait(request)


def test_the_model_is_told_at_once_where_one_serves(loop, host, channel, clock):
    """No deadline is too near for what is known."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)

    assert loaded("ring", "line") == loop.wait(channel.serving(clock.now))


def test_what_serves_now_is_told_without_waiting(loop, host, channel):
    """None where somebody would have to wait, or where there is no such thing."""
    before = channel.serving_now()
    host.greet(BOTH)
    loop.until(lambda: channel.status.ready)
    during = [
        channel.serving_now(model, version)
        for model, version in [(None, 0), ("shapes", 1), ("dots", 0), ("dots", 5)]
    ]
    lacking = [
        channel.serving_now(model, version)
        for model, version in [(None, 2), ("dots", 3), ("dots", 9), ("lines", 0)]
    ]
    host.die()
    loop.until(lambda: not channel.status.ready)

    assert [("ring", "line")] * 2 + [("dark", "light"), ("black", "white")] == [
        found.classes for found in during
    ]
    assert [None] * 4 == lacking
    assert [None, None, None] == [before, channel.serving_now(), channel.serving_now("dots", 5)]


def test_not_ready_is_told_at_once_when_nothing_is_coming(loop, host, channel, deadline):
    """Waiting would not help."""
    host.greet(EMPTY)
    loop.until(lambda: not channel.status.starting)

    with pytest.raises(NotReadyError, match=r"^the store is empty$") as caught:
        loop.wait(channel.serving(deadline))
    assert 1 == caught.value.retry_after_s


def test_not_ready_is_told_at_the_deadline(loop, host, channel, clock):
    """With what is being waited for."""
    host.greet(STARTING)

    with pytest.raises(NotReadyError, match=r"^(being loaded|the model host is being started)$"):
        loop.wait(channel.serving(clock.now + 0.001))


@pytest.mark.parametrize("seconds", [1, -1], ids=["passing", "passed"])
def test_a_request_ends_at_its_deadline(  # noqa: PLR0917 - fixtures
    loop, host, channel, clock, ask, seconds
):
    """A host that does not answer is not waited for, nor is one that could not in time."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    request = ask(until=clock.now + seconds)
    host.receive()
    clock.tick(1)

    assert isinstance(failure(request), DeadlineError)
    assert "no answer from the model host before the deadline" == str(failure(request))


def test_only_the_requests_whose_deadline_has_passed_end(loop, host, channel, clock, ask):
    """The others wait on, and the last one's end is noticed as well."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    requests = [ask(mark, until=clock.now + mark) for mark in (1, 2, 3)]
    frames = [host.receive() for _ in requests]
    clock.tick(1.5)
    assert isinstance(failure(requests[0]), DeadlineError)
    host.answer(frames[1])
    assert 2 == mark(requests[1])
    clock.tick(1.5)

    assert isinstance(failure(requests[2]), DeadlineError)


def test_deadlines_are_watched_only_while_somebody_waits(loop, host, channel, ask):
    """An idle web worker is not woken a hundred times a second."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    request = ask()
    host.answer(host.receive())
    loop.wait(request)

    loop.until(lambda: channel._calls._sweep_timer is None)


def test_a_late_answer_is_ignored(host, channel, ask, clock):
    """The connection serves the next request as if nothing had been."""
    late = ask(mark=1, until=clock.now + 1)
    host.greet(READY)
    frame = host.receive()
    clock.tick(1)
    assert isinstance(failure(late), DeadlineError)
    host.answer(frame)
    assert cancelled(host) == frame.request_id
    request = ask(mark=2)
    host.answer(host.receive())

    assert 2 == mark(request)
    assert {} == channel._calls.open


def test_a_host_that_does_not_read_is_not_written_to_without_bound(  # noqa: PLR0917 - fixtures
    loop, host, channel, deadline, shed, monkeypatch
):
    """Beyond the bound requests are refused at once; what was taken in is answered later."""
    monkeypatch.setattr("app.web.host_client.calls._UNSENT_LIMIT", 2**20 + 100)
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    pixels = bytes([3]) + bytes(2**19)
    requests = [loop.spawn(channel.predict(1, pixels, deadline)) for _ in range(4)]
    errors = [failure(request) for request in requests[2:]]

    assert [OverloadedError, OverloadedError] == [type(error) for error in errors]
    assert all(str(error).endswith("wait to be sent to the model host") for error in errors)
    assert {1} == {error.retry_after_s for error in errors}
    assert ["unsent", "unsent"] == shed
    for _ in requests[:2]:
        host.answer(host.receive())
    assert [3, 3] == [mark(request) for request in requests[:2]]


def test_a_request_larger_than_the_bound_is_sent(loop, host, channel, deadline, monkeypatch):
    """Where nothing else waits to be sent."""
    monkeypatch.setattr("app.web.host_client.calls._UNSENT_LIMIT", 100)
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    request = loop.spawn(channel.predict(1, bytes([5]) + bytes(2**19), deadline))
    host.answer(host.receive())

    assert 5 == mark(request)


def test_a_request_whose_task_is_cancelled_is_forgotten(host, channel, ask):
    """Whoever waited may be gone; its answer goes nowhere, and others get theirs."""
    requests = [ask(1), ask(2)]
    host.greet(READY)
    frames = [host.receive() for _ in requests]
    requests[0].cancel()
    assert cancelled(host) == frames[0].request_id
    for frame in frames:
        host.answer(frame)

    assert 2 == mark(requests[1])
    assert {} == channel._calls.open


def test_a_request_may_be_cancelled_in_the_turn_of_its_answer(loop, host, channel, ask):
    """Whichever comes first, neither the host nor the connection hears of it."""
    requests = [ask(mark) for mark in (1, 2, 3)]
    host.greet(READY)
    frames = [host.receive() for _ in requests]
    answers = [Frame(Kind.ANSWER, f.request_id, answer_to(f)[16:]) for f in frames]

    def coincide():
        channel._calls.link._receive(answers[0])
        requests[0].cancel()
        requests[1].cancel()
        channel._calls.link._receive(answers[1])

    loop.call(coincide)
    host.answer(frames[2])
    assert 3 == mark(requests[2])
    last = ask(mark=4)
    host.answer(host.receive())

    assert [True, True] == [request.cancelled() for request in requests[:2]]
    assert 4 == mark(last)


def test_a_request_may_be_cancelled_in_the_turn_of_its_deadline(loop, host, channel, ask, clock):
    """The host drops it, and hears it once."""
    request = ask(until=clock.now + 1)
    host.greet(READY)
    frame = host.receive()

    def coincide():
        clock.tick(1)
        request.cancel()
        channel._calls._sweep()

    loop.call(coincide)
    assert cancelled(host) == frame.request_id
    last = ask(mark=4)
    host.answer(host.receive())

    assert 4 == mark(last)
    assert request.cancelled()


def test_a_large_request_that_is_cancelled_unsent_arrives_whole(loop, host, channel, deadline):
    """What follows it would not be understood otherwise."""
    host.greet(READY)
    loop.until(lambda: channel.status.ready)
    request = loop.spawn(channel.predict(1, bytes([5]) + bytes(2**19), deadline))
    loop.until(lambda: channel._calls.link._connection.unsent)
    request.cancel()
    frame = host.receive()

    assert 2**19 + 1 == len(Predict.decode(frame.body).pixels)
    assert cancelled(host) == frame.request_id


def test_news_do_not_send_a_request_again(host, ask):
    """It is with the host already."""
    request = ask(mark=6)
    host.greet(READY)
    frame = host.receive()
    host.tell(STARTING)
    host.tell(BOTH)
    last = ask(mark=7)
    host.answer(host.receive())
    host.answer(frame)

    assert [6, 7] == [mark(request), mark(last)]


def test_what_was_never_sent_is_not_cancelled(loop, host, channel, ask, clock):
    """A host that is still loading hears nothing of a request that has ended."""
    host.greet(STARTING)
    loop.until(lambda: channel.status == STARTING)
    early = ask(mark=1, until=clock.now + 1)
    loop.turn()
    clock.tick(1)
    assert isinstance(failure(early), DeadlineError)
    request = ask(mark=2)
    host.tell(READY)
    host.answer(host.receive())

    assert 2 == mark(request)


def test_metrics_that_are_late_are_not_cancelled(loop, host, channel, deadline):
    """The host has nothing of them that waits."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    scrapes = [loop.spawn(channel.metrics(deadline)) for _ in range(2)]
    frames = [host.receive() for _ in scrapes]
    scrapes[0].cancel()
    host.send(encode(Kind.METRICS, frames[1].request_id, b"glyph_up 1\n"))
    loop.spawn(channel.metrics(deadline))

    assert b"glyph_up 1\n" == loop.wait(scrapes[1])
    assert Kind.METRICS == host.receive().kind


@pytest.mark.parametrize(
    ("reason", "error", "retry_after_s"),
    [
        (Refusal.OVERLOADED, OverloadedError, 2.5),
        (Refusal.EXPIRED, DeadlineError, None),
        (Refusal.NOT_READY, NotReadyError, 2.5),
        (Refusal.FAILED, ModelFailedError, None),
        (Refusal.MISFIT, BadInputError, None),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(host, ask, reason, error, retry_after_s):
    """With the host's sentence, and its wait where another try may help."""
    request = ask()
    host.greet(READY)
    refused = Refused(reason, 2.5, "the host's sentence")
    host.send(encode_refusal(host.receive().request_id, refused))

    assert error is type(failure(request))
    assert ("the host's sentence", retry_after_s) == (
        str(failure(request)),
        failure(request).retry_after_s,
    )


def test_a_full_host_is_not_asked_for_a_moment(  # noqa: PLR0917 - fixtures
    loop, host, channel, ask, clock, shed
):
    """What is no easier to take is refused in its words, without a trip; then it is asked again."""
    first = ask()
    host.greet(READY)
    full = encode_refusal(host.receive().request_id, Refused(Refusal.OVERLOADED, 9.0, "it is full"))
    host.send(full)
    loop.until(first.done)
    with pytest.raises(OverloadedError, match=r"^it is full$") as caught:
        loop.wait(channel.predict(1, bytes([2]), clock.now + SAFETY_S))
    easier = ask(mark=3, until=clock.now + SAFETY_S + 1)
    host.answer(host.receive())
    clock.tick(0.06)
    later = ask(mark=4)
    host.answer(host.receive())

    assert (9.0, ["full"]) == (caught.value.retry_after_s, shed)
    assert [3, 4] == [mark(easier), mark(later)]


@pytest.mark.parametrize("reason", [Refusal.EXPIRED, Refusal.FAILED, Refusal.MISFIT])
def test_other_refusals_say_nothing_of_the_next_request(loop, host, ask, reason):
    """It may have more time or better images."""
    first = ask()
    host.greet(READY)
    host.send(encode_refusal(host.receive().request_id, Refused(reason, 9.0, "no")))
    loop.until(first.done)
    request = ask(mark=2)
    host.answer(host.receive())

    assert 2 == mark(request)


def test_what_waits_for_a_version_is_bounded(  # noqa: PLR0917 - fixtures
    loop, host, channel, deadline, shed, monkeypatch
):
    """Beyond so many bytes requests are refused at once; those that wait no more make room."""
    monkeypatch.setattr("app.web.host_client.client._HELD_LIMIT", 1000)
    host.greet(STARTING)
    loop.until(lambda: channel.status == STARTING)
    waiting = [loop.spawn(channel.serving(deadline, 500)) for _ in range(2)]
    loop.turn()

    sentence = r"^being loaded; requests of 1000 bytes wait for it$"
    with pytest.raises(NotReadyError, match=sentence) as caught:
        loop.wait(channel.serving(deadline, 1))
    assert (1, ["held"]) == (caught.value.retry_after_s, shed)
    waiting.pop().cancel()
    waiting.append(loop.spawn(channel.serving(deadline, 500)))
    loop.turn()
    host.tell(READY)
    assert [READY.serving.loaded] * 2 == [loop.wait(request) for request in waiting]
    assert 0 == channel._held


def test_a_request_is_sent_again_when_the_host_dies(host, start_host, ask, caplog):
    """The next host answers it, and the caller notices nothing."""
    request = ask(mark=9)
    host.greet(READY)
    first = host.receive()
    host.die()
    successor = start_host()
    successor.greet(READY)
    second = successor.receive()
    successor.answer(second)

    assert first == second
    assert 9 == mark(request)
    assert ["connection to the model host lost; 1 requests wait for it"] == caplog.messages


def test_a_request_that_lost_two_hosts_is_not_sent_again(host, start_host, ask):
    """One that kills the host must not do so for ever."""
    request = ask()
    host.greet(READY)
    host.receive()
    host.die()
    successor = start_host()
    successor.greet(READY)
    successor.receive()
    successor.die()

    assert isinstance(failure(request), HostLostError)
    assert "the model host went away before it answered" == str(failure(request))
    assert 1 == failure(request).retry_after_s


def test_what_is_asked_before_the_loss_is_noted_counts_as_not_sent(
    loop, host, start_host, channel, deadline
):
    """The connection is gone, and the status not yet taken back."""

    async def ask_in_between():
        while channel._calls.link.open_connection:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0)
        assert channel.status.ready
        with pytest.raises(HostLostError, match=r"^the model host is away$"):
            await channel.metrics(deadline)
        return await channel.predict(1, bytes([8]), deadline)

    host.greet(READY)
    loop.until(lambda: channel.status.ready)
    request = loop.spawn(ask_in_between())
    host.die()
    second = start_host()
    second.greet(READY)
    second.receive()
    second.die()
    third = start_host()
    third.greet(READY)
    third.answer(third.receive())

    assert 8 == mark(request)


def test_a_request_that_lost_one_host_is_refused_when_nothing_is_coming(host, start_host, ask):
    """The next host may find no version that it can load."""
    request = ask()
    host.greet(READY)
    host.receive()
    host.die()
    start_host().greet(EMPTY)

    assert isinstance(failure(request), NotReadyError)


def test_requests_made_while_the_host_is_away_go_out_when_it_is_ready(
    loop, host, start_host, channel, ask
):
    """They wait through the absence and the loading."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    host.die()
    loop.until(lambda: not channel.status.ready)
    requests = [ask(mark) for mark in (1, 2)]
    successor = start_host()
    successor.greet(STARTING)
    successor.tell(READY)
    for _ in requests:
        successor.answer(successor.receive())

    assert [1, 2] == [mark(request) for request in requests]


def test_a_host_that_cannot_start_says_why(loop, path, channel, start_host):
    """Nobody waits for it; once it has started, that is forgotten."""
    note_host_trouble(path.parent, "no thread can be started")
    loop.until(lambda: not channel.status.starting)
    reason = channel.status.reason
    end_host_trouble(path.parent)
    start_host().greet(READY)
    loop.until(lambda: channel.status.ready)

    assert "the model host cannot start: no thread can be started; retrying" == reason


def test_a_host_that_went_away_is_starting_again(loop, host, channel):
    """The model's name is still known, and so is what is being waited for."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    host.die()
    loop.until(lambda: not channel.status.ready)

    reason = "the model host is restarting"
    assert HostStatus.away("shapes", reason, starting=True) == channel.status


def test_a_version_that_retires_right_after_its_answer_has_its_classes(loop, host, ask):
    """Answer and news may arrive in one read, before the request's task goes on."""
    request = ask()
    host.greet(READY)
    newer = VersionStatus(version=2, state="serving", loaded=loaded("up", "down"))
    model = READY.default.model_copy(update={"versions": (newer,), "default": 2})
    news = HostStatus.of(model).model_dump_json().encode()
    host.send(answer_to(host.receive()) + encode(Kind.STATUS, 0, news))

    assert ("ring", "line") == loop.wait(request).classes


def test_a_retiring_version_answers_with_its_own_classes(loop, host, ask):
    """Two versions are known while the older one finishes its work."""
    request = ask()
    newer = VersionStatus(version=2, state="serving", loaded=loaded("up", "down"))
    older = READY.versions[0].model_copy(update={"state": "retiring"})
    host.greet(READY.model_copy(update={"versions": (newer, older)}))
    host.answer(host.receive(), version=1)

    assert ("ring", "line") == loop.wait(request).classes


SILENT = "the model host has been silent for 14400.0 s; it should have been replaced after 3600 s"


def fall_silent(channel, pulses: int = 4) -> None:
    """Let the time pass in which nothing comes."""
    channel._calls.link._quiet = 0
    for _ in range(pulses):
        channel._calls.link._count_missed()


def test_a_host_that_should_have_been_replaced_is_not_asked(loop, host, channel, deadline, caplog):
    """Requests are refused at once, readiness says why, and scrapes do not wait."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    channel._calls.link._quiet = 0
    for _ in range(3):
        channel._calls.link._count_missed()
    assert channel.status == READY
    channel._calls.link._count_missed()
    channel._calls.link._count_missed()

    reason = (
        "the model host has been silent for 4500.0 s; it should have been replaced after 3600 s"
    )
    assert (False, False, reason) == (
        channel.status.ready,
        channel.status.starting,
        channel.status.reason,
    )
    assert READY.versions == channel.status.versions
    with pytest.raises(NotReadyError, match=f"^{reason}$") as caught:
        loop.wait(channel.serving(deadline))
    assert 1 == caught.value.retry_after_s
    with pytest.raises(HostLostError, match=r"^the model host is away$"):
        loop.wait(channel.metrics(deadline))
    assert ["the model host is silent; 0 requests wait for it"] == caplog.messages


def test_a_host_that_is_merely_late_is_asked(loop, host, channel, ask):
    """Nothing came for nearly as long as it takes to be replaced: it is ready, and answers."""
    host.greet(READY)
    loop.until(lambda: channel.status == READY)
    fall_silent(channel, 3)
    request = ask(mark=7)
    assert channel.status == READY
    host.answer(host.receive())

    assert 7 == mark(request)


def test_a_host_that_speaks_again_is_asked_again(loop, host, channel, ask):
    """Whatever it says; what it had before it fell silent it still has."""
    before = ask(mark=1)
    host.greet(READY)
    frame = host.receive()
    fall_silent(channel)
    during = ask(mark=2)
    loop.turn()
    host.send(encode(Kind.HEARTBEAT, 0))
    loop.until(lambda: channel.status == READY)
    host.answer(frame)
    host.answer(host.receive())

    assert [1, 2] == [mark(before), mark(during)]


def test_what_a_silent_host_had_is_sent_to_the_next(loop, host, start_host, channel, ask):
    """Within its deadline, a request that was there before the silence is answered after it."""
    request = ask(mark=9)
    host.greet(READY)
    host.receive()
    fall_silent(channel)
    host.die()
    loop.until(lambda: channel.status.starting)
    successor = start_host()
    successor.greet(READY)
    successor.answer(successor.receive())

    assert 9 == mark(request)


def test_a_host_that_falls_silent_while_it_loads_is_not_waited_for(loop, host, channel, deadline):
    """It has four times as long. When it speaks again, its first version is waited for again."""
    early = loop.spawn(channel.serving(deadline))
    host.greet(STARTING)
    loop.until(lambda: channel.status == STARTING)
    fall_silent(channel, 15)
    assert channel.status == STARTING
    fall_silent(channel, 16)

    assert isinstance(failure(early), NotReadyError)
    assert SILENT == str(failure(early))
    host.send(encode(Kind.HEARTBEAT, 0))
    loop.until(lambda: channel.status == STARTING)
    late = loop.spawn(channel.serving(deadline))
    loop.turn()
    host.tell(READY)
    assert READY.serving.loaded == loop.wait(late)


def test_a_host_that_never_spoke_is_not_waited_for(loop, start_host, channel, deadline):
    """The kernel connects a web worker to a frozen host; its silence counts from then on."""
    for _ in range(16):
        channel._calls.link._count_missed()  # while it is away, nobody is judged
    start_host()
    loop.until(lambda: channel._calls.link.open_connection)
    for _ in range(15):
        channel._calls.link._count_missed()
    assert channel.status.starting
    channel._calls.link._count_missed()

    with pytest.raises(NotReadyError, match=f"^{SILENT}$"):
        loop.wait(channel.serving(deadline))


def test_time_is_counted_while_the_channel_runs(loop, path, host):
    """A quarter of the bound at a time."""
    channel = HostChannel(path, 2**20, silence_s=0.004)
    loop.call(channel.start)
    host.greet(READY)
    loop.until(lambda: channel._calls.link.silent)
    channel.close()
    loop.turn()


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("<IBxxxQ", 2**31, Kind.STATUS, 0),
        encode(Kind.STATUS, 0, b"{}"),
        encode(Kind.ANSWER, 1, b"short"),
        encode(Kind.REFUSAL, 1, struct.pack("<If", 99, 0)),
    ],
    ids=["too long", "no status", "no answer", "no refusal"],
)
def test_a_host_that_talks_nonsense_is_left_for_the_next(host, start_host, ask, nonsense):
    """Whatever arrives, the channel connects again and its requests are answered."""
    request = ask(mark=5)
    host.greet(READY)
    host.receive()
    host.send(nonsense)
    assert host.receive() is None
    host.die()
    successor = start_host()
    successor.greet(READY)
    successor.answer(successor.receive())

    assert 5 == mark(request)


def test_a_host_that_talks_nonsense_again_and_again_is_asked_less_often(path, caplog):
    """Each time costs a line in the log, no traceback, and twice the pause."""
    channel = HostChannel(path, 2**20)
    pauses = [
        channel._calls.link._pause_after(FrameError("a frame of 9 bytes; at most 8\nand more"))
        for _ in range(9)
    ]

    assert [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5] == pauses
    assert [
        "invalid data from the model host: FrameError: a frame of 9 bytes; at most 8; "
        f"retrying in {pause_s:.2f} s"
        for pause_s in pauses
    ] == caplog.messages
    assert not any(record.exc_info for record in caplog.records)


def test_a_host_that_hangs_up_without_a_word_is_asked_less_often(path, caplog):
    """As one that is starting or ending may; nothing of it is an error."""
    channel = HostChannel(path, 2**20)
    pauses = [channel._calls.link._pause_after(ConnectionResetError()) for _ in range(30)]

    assert ([0.05, 0.1, 0.2], 5) == (pauses[:3], pauses[-1])
    assert [] == caplog.messages


def test_the_pause_is_kept(loop, host, channel, monkeypatch):
    """The next connection comes after it, and not before."""
    monkeypatch.setattr("app.web.host_client.host_link._RECONNECT_S", 0.004)
    took_s = []
    host.greet(READY)
    for _ in range(3):
        before = loop.loop.time()
        host.send(bytes(16))
        assert host.receive() is None
        host.hang_up()
        host.greet(READY)
        took_s.append(round(loop.loop.time() - before, 6))  # uvloop counts milliseconds

    assert 3 == channel._calls.link.useless
    assert all(took >= pause for took, pause in zip(took_s, (0.004, 0.008, 0.016), strict=True))


def test_an_answer_ends_the_pauses(loop, host, channel, ask):
    """Whatever was not understood before."""
    host.greet(READY)
    host.send(bytes(16))
    loop.until(lambda: channel._calls.link.useless)
    host.hang_up()
    request = ask(mark=3)
    host.greet(READY)
    host.answer(host.receive())

    assert (3, 0) == (mark(request), channel._calls.link.useless)


def test_a_request_that_fits_into_no_frame_is_refused(loop, host, channel, deadline):
    """With a sentence; those beside it are answered."""
    host.greet(READY)
    loop.until(lambda: channel.status.ready)
    with pytest.raises(TooLargeError, match=r"^the request takes 1048616 bytes on its way to the"):
        loop.wait(channel.predict(1, bytes(2**20), deadline))


def test_an_example_is_fetched(loop, host, channel, deadline):
    """In the shape of the version's input."""
    host.greet(BOTH)
    loop.until(lambda: channel.status.ready)
    asked = loop.spawn(channel.example(deadline, model="dots"))
    frame = host.receive()
    host.send(encode(Kind.EXAMPLE, frame.request_id, b"x"))

    assert (1, 4) == decode_example(frame.body)
    assert [[[ord("x")]]] == loop.wait(asked).tolist()


def test_without_a_version_there_is_no_example(loop, channel, deadline):
    """Nobody is asked."""
    with pytest.raises(NotReadyError, match=r"^the model host is being started$"):
        loop.wait(channel.example(deadline))


def test_an_answer_of_an_unknown_version_is_nonsense_too(host, start_host, ask):
    """Nobody could say what its classes are."""
    request = ask(mark=5)
    host.greet(READY)
    host.answer(host.receive(), version=99)
    assert host.receive() is None
    host.die()
    successor = start_host()
    successor.greet(READY)
    successor.answer(successor.receive())

    assert 5 == mark(request)


def test_a_model_and_a_version_can_be_asked_for(loop, host, channel, deadline):
    """The host is told the model's place; the classes are those of what answered."""
    asked = loop.spawn(channel.predict(1, b"x", deadline, model="dots", version=5, or_default=True))
    host.greet(BOTH)
    frame = host.receive()
    expected = Predict(deadline, 1, b"x", model=1, version=5, or_default=True)
    assert expected == Predict.decode(frame.body)
    host.answer(frame, version=4)

    assert ("dark", "light") == loop.wait(asked).classes


@pytest.mark.parametrize(
    ("version", "classes"),
    [(0, ("dark", "light")), (5, ("black", "white"))],
    ids=["default", "given"],
)
def test_what_a_model_takes_is_known_before_it_is_asked(  # noqa: PLR0917 - fixtures
    loop, host, channel, deadline, version, classes
):
    """Of the version that is to answer."""
    host.greet(BOTH)
    found = loop.wait(channel.serving(deadline, model="dots", version=version))

    assert classes == found.classes


@pytest.mark.parametrize(
    ("model", "version", "sentence"),
    [
        ("lines", 0, "there is no model 'lines' (available: shapes, dots)"),
        ("dots", 9, "dots version 9 does not serve, it is not loaded (available: 5, 4)"),
        ("dots", 3, "dots version 3 does not serve, it is refused: it is empty (available: 5, 4)"),
    ],
    ids=["model", "version", "refused version"],
)
def test_what_there_is_not_is_not_found(  # noqa: PLR0917 - fixtures
    loop, host, channel, deadline, model, version, sentence
):
    """The sentence says what there is."""
    host.greet(BOTH)
    loop.until(lambda: channel.status == BOTH)

    with pytest.raises(NotFoundError, match=f"^{re.escape(sentence)}$"):
        loop.wait(channel.serving(deadline, model=model, version=version))


def test_a_version_that_is_being_loaded_is_not_ready(loop, host, channel, deadline):
    """It is worth coming again."""
    dots = BOTH.models[1].model_copy(
        update={"versions": (VersionStatus(version=6, state="loading"),)}
    )
    host.greet(HostStatus.of(BOTH.default, dots))
    loop.until(lambda: channel.status.models[-1] == dots)

    with pytest.raises(NotReadyError, match=r"^dots version 6 is being loaded$") as caught:
        loop.wait(channel.serving(deadline, model="dots", version=6))
    assert 1 == caught.value.retry_after_s


@pytest.mark.parametrize("name", [None, "dots"])
def test_without_a_host_no_model_is_said_not_to_be_there(loop, channel, clock, name):
    """A new web worker knows none of their names; it says so, and that asking again may help."""
    for ask in (channel.serving, partial(channel.predict, 1, b"x")):
        with pytest.raises(ServiceError) as caught:
            loop.wait(ask(clock() - 1, model=name))
        assert not isinstance(caught.value, NotFoundError)
    with pytest.raises(NotReadyError, match=r"^the model host is being started$") as caught:
        loop.wait(channel.serving(clock() - 1, model=name))
    assert 1 == caught.value.retry_after_s


def test_before_the_store_was_read_no_model_is_said_not_to_be_there(loop, host, channel, deadline):
    """The host serves what it was told to, and cannot know yet what else there is."""
    trouble = ModelStatus(name="shapes", ready=False, reason="the store is away")
    host.greet(HostStatus(model="shapes", models=(trouble,), complete=False))
    loop.until(lambda: not channel.status.starting)

    with pytest.raises(NotReadyError, match=r"^the store is away$"):
        channel.model("dots")
    with pytest.raises(NotReadyError, match=r"^the store is away$"):
        loop.wait(channel.serving(deadline, model="dots"))


def test_before_all_versions_were_tried_none_is_said_not_to_be_there(loop, host, channel, deadline):
    """A host that was started again serves the first one, and has the others before it."""
    host.greet(HostStatus.of(READY.default, DOTS.model_copy(update={"complete": False})))
    loop.until(lambda: channel.status.ready)

    with pytest.raises(NotReadyError, match=r"^version 9 of dots is not known yet: ") as caught:
        loop.wait(channel.serving(deadline, model="dots", version=9))
    assert 1 == caught.value.retry_after_s
    asked = loop.spawn(channel.predict(1, b"x", deadline, model="dots", version=9))
    refused = Refused(Refusal.NOT_FOUND, 0.0, "dots version 9 does not serve")
    host.send(encode_refusal(host.receive().request_id, refused))
    assert isinstance(failure(asked), NotReadyError)


def test_a_version_that_is_gone_when_the_request_comes_is_not_found(loop, host, channel, deadline):
    """The host knows it later than the web worker asked."""
    asked = loop.spawn(channel.predict(1, b"x", deadline, model="dots", version=4))
    host.greet(BOTH)
    frame = host.receive()
    refused = Refused(Refusal.NOT_FOUND, 0.0, "dots version 4 does not serve")
    host.send(encode_refusal(frame.request_id, refused))

    assert isinstance(failure(asked), NotFoundError)


def test_a_model_that_is_loaded_later_is_waited_for(loop, host, channel, deadline):
    """While the others serve."""
    loading = ModelStatus(name="dots", ready=False, starting=True, reason="being loaded")
    host.greet(HostStatus.of(READY.default, loading))
    loop.until(lambda: channel.status.ready)
    waiting = loop.spawn(channel.serving(deadline, model="dots"))
    loop.turn()
    assert not waiting.done()
    host.tell(BOTH)

    assert ("dark", "light") == loop.wait(waiting).classes


def test_a_request_is_sent_again_to_its_model(loop, start_host, channel, deadline):
    """Though the next host has it at another place."""
    lines = ModelStatus(name="lines", ready=True, reason=None)
    first = start_host()
    asked = loop.spawn(channel.predict(1, b"x", deadline, model="dots", version=5))
    first.greet(BOTH)
    first.receive()
    first.die()
    second = start_host()
    second.greet(HostStatus.of(READY.default, lines, DOTS))
    frame = second.receive()
    assert Predict(deadline, 1, b"x", model=2, version=5) == Predict.decode(frame.body)
    second.answer(frame, version=5)

    assert ("black", "white") == loop.wait(asked).classes


def test_an_operators_request_is_handed_on(loop, host, channel, deadline):
    """As JSON, both ways; it needs no version."""
    host.greet(EMPTY)
    loop.until(lambda: not channel.status.starting)
    asked = loop.spawn(channel.admin({"action": "pin", "version": 3}, deadline))
    frame = host.receive()
    assert (Kind.ADMIN, {"action": "pin", "version": 3}) == (frame.kind, json.loads(frame.body))
    host.send(encode(Kind.ADMIN, frame.request_id, b'{"ok": true}'))

    assert {"ok": True} == loop.wait(asked)


def test_metrics_are_fetched(loop, host, channel, deadline):
    """They are had from a host that has no version yet as well."""
    host.greet(EMPTY)
    loop.until(lambda: not channel.status.starting)
    request = loop.spawn(channel.metrics(deadline))
    frame = host.receive()
    host.send(encode(Kind.METRICS, frame.request_id, b"glyph_up 1\n"))

    assert (Kind.METRICS, b"") == (frame.kind, frame.body)
    assert b"glyph_up 1\n" == loop.wait(request)


def test_statistics_are_fetched(loop, host, channel, deadline):
    """They come as the host wrote them."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    request = loop.spawn(channel.statistics(deadline))
    frame = host.receive()
    told = [VersionStatistics("mnist", 3, images=2, batches={2: Duration(1, 0.5)})]
    host.send(encode(Kind.STATISTICS, frame.request_id, STATISTICS.dump_json(told)))

    assert (Kind.STATISTICS, b"") == (frame.kind, frame.body)
    assert told == loop.wait(request)


def test_metrics_are_not_waited_for_while_the_host_is_away(loop, channel, deadline):
    """Whoever scrapes gets the web workers' own."""
    with pytest.raises(HostLostError, match=r"^the model host is away$"):
        loop.wait(channel.metrics(deadline))


def test_metrics_end_with_their_host(loop, host, channel, deadline):
    """The next host's would be other ones."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    request = loop.spawn(channel.metrics(deadline))
    host.receive()
    host.die()

    assert isinstance(failure(request), HostLostError)


def test_closing_ends_the_connection(loop, host, channel):
    """The host need not wait for a worker that has gone."""
    host.greet(READY)
    loop.until(lambda: not channel.status.starting)
    channel.close()

    assert host.receive() is None


def test_closing_refuses_what_waits(loop, host, channel, ask, deadline):
    """Whatever it waits for: an answer, a version to serve, or the host's metrics."""
    unsent, held = ask(), loop.spawn(channel.serving(deadline, 500))
    host.greet(STARTING)
    loop.until(lambda: channel.status == STARTING)
    metrics = loop.spawn(channel.metrics(deadline))
    host.receive()
    channel.close()
    errors = [failure(task) for task in (unsent, held, metrics)]

    assert [HostLostError, NotReadyError, HostLostError] == [type(error) for error in errors]
    assert {("the service is shutting down", 1)} == {
        (str(error), error.retry_after_s) for error in errors
    }
    assert ({}, 0) == (channel._calls.open, channel._held)


def test_a_closed_channel_refuses_at_once(loop, host, channel, deadline):
    """Nobody would ever answer."""
    host.greet(READY)
    loop.until(lambda: channel.status.ready)
    channel.close()

    assert channel.serving_now() is None
    for ask in (
        channel.serving,
        partial(channel.serving, model="dots"),
        partial(channel.predict, 1, b"x"),
        partial(channel.admin, {}),
        channel.metrics,
        channel.statistics,
        channel.example,
    ):
        with pytest.raises(ServiceError) as caught:
            loop.wait(ask(deadline))
        assert 503 == caught.value.status
    assert channel._calls._sweep_timer is None


def test_closing_twice_is_closing(loop, host, channel):
    """Whoever ends a worker need not know how far it came."""
    host.greet(READY)
    loop.until(lambda: channel.status.ready)
    channel.close()
    channel.close()

    assert host.receive() is None


@pytest.mark.parametrize("turns", range(5))
def test_closing_while_it_connects_leaves_no_connection(loop, host, path, turns):
    """However far it came: the host sees the end of whatever it accepts."""
    channel = HostChannel(path, 2**20)
    loop.call(channel.start)
    for _ in range(turns):
        loop.turn()
    channel.close()
    loop.until(lambda: all(task.done() for task in channel._calls.link._tasks))
    loop.turn()

    assert host.is_left_alone()


def test_a_fault_in_the_channel_is_logged_and_survived(loop, start_host, ask, monkeypatch, caplog):
    """A web worker that never connects again would look well, and refuse everything."""
    monkeypatch.setattr("app.web.http.repeating_task._PAUSE_S", 0.001)
    monkeypatch.setattr("app.web.host_client.host_link.read_host_trouble", lambda _run_dir: 1 / 0)
    loop.until(lambda: caplog.records)
    monkeypatch.undo()
    request = ask(mark=2)
    host = start_host()
    host.greet(READY)
    host.answer(host.receive())

    assert 2 == mark(request)
    assert "the channel to the model host continues after an error" == caplog.messages[0]
    assert ZeroDivisionError is caplog.records[0].exc_info[0]


def test_a_channel_that_was_never_started_may_be_closed(path):
    """There is nothing to end."""
    HostChannel(path, 2**20).close()


def cancelled(host) -> int:
    """Wait for the next frame, which cancels; gives the request that it is about."""
    frame = host.receive()
    assert (Kind.CANCEL, b"") == (frame.kind, frame.body)
    return frame.request_id
