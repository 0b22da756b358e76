"""The web worker's channel, against a small host that does what each test tells it to."""

from __future__ import annotations

import json
import re
import struct
from functools import partial

import gevent
import numpy as np
import pytest
from gevent import socket

from app.frames import (
    Answer,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    Predict,
    Refusal,
    Refused,
    decode_example,
    encode,
    encode_answer,
    encode_refusal,
)
from app.host_trouble import end_host_trouble, note_host_trouble
from app.statistics import STATISTICS, Duration, VersionStatistics
from app.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from app.web.channel import HostChannel
from app.web.errors import (
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

SAFETY_S = 10
"""How long anything may take before a test gives up; nothing takes that long."""


class FakeHost:
    """A model host that accepts one web worker at a time and speaks only when told to."""

    def __init__(self, path) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connection = None

    def greet(self, status: HostStatus) -> None:
        """Wait for the web worker, and tell it the status."""
        self._connection, _ = self._listener.accept()
        self._frames = self._read()
        self.tell(status)

    def _read(self):
        reader = FrameReader(2**20)
        while data := self._connection.recv(65536):
            yield from reader.feed(data)

    def receive(self) -> Frame | None:
        """Wait for the next frame; None at the end of the connection."""
        return next(self._frames, None)

    def tell(self, status: HostStatus) -> None:
        self.send(encode(Kind.STATUS, 0, status.model_dump_json().encode()))

    def answer(self, request: Frame, *, version: int = 1) -> None:
        """Answer with the request's first pixel."""
        self.send(answer_to(request, version))

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def die(self) -> None:
        for sock in (self._connection, self._listener):
            if sock is not None:
                sock.close()


def answer_to(request: Frame, version: int = 1) -> bytes:
    mark = Predict.decode(request.body).pixels[0]
    probabilities = np.full((1, 2), mark, np.float32)
    return encode_answer(request.request_id, Answer(version, 0.5, 0.25, probabilities))


def loaded(*classes: str) -> LoadedModel:
    return LoadedModel(
        runtime="fake",
        precision="f32",
        digest="0" * 64,
        accuracy=0.9,
        passed_over=(),
        batch_limit=1,
        batch_seconds={"1": 0.5},
        classes=classes,
        input_shape=(1, 1, 1),
    )


READY = HostStatus.of(
    ModelStatus(
        name="shapes",
        ready=True,
        reason=None,
        versions=(VersionStatus(version=1, state="serving", loaded=loaded("ring", "line")),),
        default=1,
    )
)
STARTING = HostStatus.of(
    ModelStatus(name="shapes", ready=False, starting=True, reason="being loaded")
)
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
EMPTY = HostStatus.of(ModelStatus(name="shapes", ready=False, reason="the store is empty"))


@pytest.fixture(autouse=True)
def give_up():
    """End a conversation that hangs."""
    with gevent.Timeout(SAFETY_S):
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "host.sock"


@pytest.fixture
def start_host(path):
    """Give a function that starts a host; the one before it must have died."""
    hosts = []

    def start() -> FakeHost:
        hosts.append(FakeHost(path))
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
def channel(path, clock, shed, monkeypatch):
    monkeypatch.setattr("app.web.channel._RECONNECT_S", 0.001)
    monkeypatch.setattr("app.web.channel._SWEEP_S", 0.001)
    channel = HostChannel(path, 2**20, clock, silence_s=3600, on_shed=shed.append)
    channel.start()
    yield channel
    channel.close()


@pytest.fixture
def deadline(clock) -> float:
    """A deadline that no test reaches."""
    return clock.now + SAFETY_S


@pytest.fixture
def ask(channel, deadline):
    """Give a function that asks about one image in a greenlet of its own."""

    def run(mark: int = 1, until: float = deadline) -> gevent.Greenlet:
        return gevent.spawn(channel.predict, 1, bytes([mark]), until)

    return run


def mark(greenlet: gevent.Greenlet) -> float:
    """Wait for a prediction; gives the pixel that it is about."""
    return greenlet.get().answer.probabilities[0, 0]


def failure(greenlet: gevent.Greenlet) -> Exception:
    """Wait for a prediction that fails; gives its error."""
    greenlet.join()
    return greenlet.exception


@pytest.fixture(autouse=True)
def quiet_greenlets(monkeypatch):
    """Keep gevent from printing the tracebacks of greenlets whose errors the tests look at."""
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *_: None)


def test_before_the_host_is_there_it_is_starting(path, clock):
    """A web worker that is faster than the host lets requests wait."""
    status = HostChannel(path, 2**20, clock).status

    assert (False, True) == (status.ready, status.starting)
    assert "the model host is being started" == status.reason


def test_a_host_that_comes_late_is_found(start_host, ask):
    """The channel tries until somebody listens."""
    request = ask(mark=4)
    gevent.sleep(0)
    host = start_host()
    host.greet(READY)
    host.answer(host.receive())

    assert 4 == mark(request)


def test_a_request_is_one_frame(host, ask, deadline):
    """The host gets the deadline, the count and the pixels."""
    request = ask(mark=7)
    host.greet(READY)

    frame = host.receive()
    assert Kind.PREDICT == frame.kind
    assert Predict(deadline, 1, bytes([7])) == Predict.decode(frame.body)
    host.answer(frame)
    assert 7 == mark(request)


def test_a_prediction_has_its_versions_classes(host, ask):
    """They are those of the version that answered, with its times."""
    request = ask()
    host.greet(READY)
    host.answer(host.receive())

    prediction = request.get()
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


def test_a_request_waits_while_the_first_version_is_loaded(host, channel, ask, deadline):
    """It is sent when there is somebody to answer it: what needs no version overtakes it."""
    request = ask()
    host.greet(STARTING)
    until(lambda: channel.status == STARTING)
    gevent.spawn(channel.metrics, deadline)
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


def test_the_model_is_told_once_it_serves(host, channel, deadline):
    """Whoever asks while it is loaded waits for it."""
    request = gevent.spawn(channel.serving, deadline)
    host.greet(STARTING)
    host.tell(READY)

    assert loaded("ring", "line") == request.get()


def test_the_model_is_waited_for_while_the_host_is_away(host, start_host, channel, deadline):
    """A host that comes back is worth waiting for as the first one was."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    host.die()
    until(lambda: not channel.status.ready)
    request = gevent.spawn(channel.serving, deadline)
    gevent.sleep(0)
    start_host().greet(READY)

    assert loaded("ring", "line") == request.get()


def test_the_model_is_told_at_once_where_one_serves(host, channel, clock):
    """No deadline is too near for what is known."""
    host.greet(READY)
    until(lambda: not channel.status.starting)

    assert loaded("ring", "line") == channel.serving(clock.now)


def test_not_ready_is_told_at_once_when_nothing_is_coming(host, channel, deadline):
    """Waiting would not help."""
    host.greet(EMPTY)
    until(lambda: not channel.status.starting)

    with pytest.raises(NotReadyError, match=r"^the store is empty$") as caught:
        channel.serving(deadline)
    assert 1 == caught.value.retry_after_s


def test_not_ready_is_told_at_the_deadline(host, channel, clock):
    """With what is being waited for."""
    host.greet(STARTING)

    with pytest.raises(NotReadyError, match=r"^(being loaded|the model host is being started)$"):
        channel.serving(clock.now + 0.001)


@pytest.mark.parametrize("seconds", [1, -1], ids=["passing", "passed"])
def test_a_request_ends_at_its_deadline(host, channel, clock, ask, seconds):
    """A host that does not answer is not waited for, nor is one that could not in time."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    request = ask(until=clock.now + seconds)
    host.receive()
    clock.tick(1)

    assert isinstance(failure(request), DeadlineError)
    assert "no answer from the model host before the deadline" == str(failure(request))


def test_only_the_requests_whose_deadline_has_passed_end(host, channel, clock, ask):
    """The others wait on, and the last one's end is noticed as well."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    requests = [ask(mark, until=clock.now + mark) for mark in (1, 2, 3)]
    frames = [host.receive() for _ in requests]
    clock.tick(1.5)
    assert isinstance(failure(requests[0]), DeadlineError)
    host.answer(frames[1])
    assert 2 == mark(requests[1])
    clock.tick(1.5)

    assert isinstance(failure(requests[2]), DeadlineError)


def test_deadlines_are_watched_only_while_somebody_waits(host, channel, ask):
    """An idle web worker is not woken a hundred times a second."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    request = ask()
    host.answer(host.receive())
    request.get()

    until(lambda: not channel._sweeper.active)


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
    assert {} == channel._calls


def test_a_host_that_does_not_read_is_not_written_to_without_bound(
    host, channel, deadline, shed, monkeypatch
):
    """Beyond the bound requests are refused at once; what was taken in is answered later."""
    monkeypatch.setattr("app.web.channel._UNSENT_LIMIT", 2**20 + 100)
    host.greet(READY)
    until(lambda: not channel.status.starting)
    pixels = bytes([3]) + bytes(2**19)
    requests = [gevent.spawn(channel.predict, 1, pixels, deadline) for _ in range(4)]
    errors = [failure(request) for request in requests[2:]]

    assert [OverloadedError, OverloadedError] == [type(error) for error in errors]
    assert all(str(error).endswith("wait to be sent to the model host") for error in errors)
    assert {1} == {error.retry_after_s for error in errors}
    assert ["unsent", "unsent"] == shed
    for _ in requests[:2]:
        host.answer(host.receive())
    assert [3, 3] == [mark(request) for request in requests[:2]]


def test_a_request_larger_than_the_bound_is_sent(host, channel, deadline, monkeypatch):
    """Where nothing else waits to be sent."""
    monkeypatch.setattr("app.web.channel._UNSENT_LIMIT", 100)
    host.greet(READY)
    until(lambda: not channel.status.starting)
    request = gevent.spawn(channel.predict, 1, bytes([5]) + bytes(2**19), deadline)
    host.answer(host.receive())

    assert 5 == mark(request)


def test_a_request_whose_greenlet_ends_is_forgotten(host, channel, ask):
    """Whoever waited may be killed; its answer goes nowhere, and others get theirs."""
    requests = [ask(1), ask(2)]
    host.greet(READY)
    frames = [host.receive() for _ in requests]
    requests[0].kill()
    assert cancelled(host) == frames[0].request_id
    for frame in frames:
        host.answer(frame)

    assert 2 == mark(requests[1])
    assert {} == channel._calls


def test_what_was_never_sent_is_not_cancelled(host, channel, ask, clock):
    """A host that is still loading hears nothing of a request that has ended."""
    host.greet(STARTING)
    until(lambda: channel.status == STARTING)
    early = ask(mark=1, until=clock.now + 1)
    gevent.sleep(0)
    clock.tick(1)
    assert isinstance(failure(early), DeadlineError)
    request = ask(mark=2)
    host.tell(READY)
    host.answer(host.receive())

    assert 2 == mark(request)


def test_metrics_that_are_late_are_not_cancelled(host, channel, deadline):
    """The host has nothing of them that waits."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    scrapes = [gevent.spawn(channel.metrics, deadline) for _ in range(2)]
    frames = [host.receive() for _ in scrapes]
    scrapes[0].kill()
    host.send(encode(Kind.METRICS, frames[1].request_id, b"glyph_up 1\n"))
    gevent.spawn(channel.metrics, deadline)

    assert b"glyph_up 1\n" == scrapes[1].get()
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


def test_a_full_host_is_not_asked_for_a_moment(host, channel, ask, clock, shed):
    """What is no easier to take is refused in its words, without a trip; then it is asked again."""
    first = ask()
    host.greet(READY)
    full = encode_refusal(host.receive().request_id, Refused(Refusal.OVERLOADED, 9.0, "it is full"))
    host.send(full)
    first.join()
    with pytest.raises(OverloadedError, match=r"^it is full$") as caught:
        channel.predict(1, bytes([2]), clock.now + SAFETY_S)
    easier = ask(mark=3, until=clock.now + SAFETY_S + 1)
    host.answer(host.receive())
    clock.tick(0.06)
    later = ask(mark=4)
    host.answer(host.receive())

    assert (9.0, ["full"]) == (caught.value.retry_after_s, shed)
    assert [3, 4] == [mark(easier), mark(later)]


@pytest.mark.parametrize("reason", [Refusal.EXPIRED, Refusal.FAILED, Refusal.MISFIT])
def test_other_refusals_say_nothing_of_the_next_request(host, ask, reason):
    """It may have more time or better images."""
    first = ask()
    host.greet(READY)
    host.send(encode_refusal(host.receive().request_id, Refused(reason, 9.0, "no")))
    first.join()
    request = ask(mark=2)
    host.answer(host.receive())

    assert 2 == mark(request)


def test_what_waits_for_a_version_is_bounded(host, channel, deadline, shed, monkeypatch):
    """Beyond so many bytes requests are refused at once; those that wait no more make room."""
    monkeypatch.setattr("app.web.channel._HELD_LIMIT", 1000)
    host.greet(STARTING)
    until(lambda: channel.status == STARTING)
    waiting = [gevent.spawn(channel.serving, deadline, 500) for _ in range(2)]
    gevent.sleep(0)

    sentence = r"^being loaded; requests of 1000 bytes wait for it$"
    with pytest.raises(NotReadyError, match=sentence) as caught:
        channel.serving(deadline, 1)
    assert (1, ["held"]) == (caught.value.retry_after_s, shed)
    waiting.pop().kill()
    waiting.append(gevent.spawn(channel.serving, deadline, 500))
    gevent.sleep(0)
    host.tell(READY)
    assert [READY.serving.loaded] * 2 == [request.get() for request in waiting]
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
    assert ["the model host went away; 1 requests wait for it"] == caplog.messages


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


def test_a_request_that_lost_one_host_is_refused_when_nothing_is_coming(host, start_host, ask):
    """The next host may find no version that it can load."""
    request = ask()
    host.greet(READY)
    host.receive()
    host.die()
    start_host().greet(EMPTY)

    assert isinstance(failure(request), NotReadyError)


def test_requests_made_while_the_host_is_away_go_out_when_it_is_ready(
    host, start_host, channel, ask
):
    """They wait through the absence and the loading."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    host.die()
    until(lambda: not channel.status.ready)
    requests = [ask(mark) for mark in (1, 2)]
    successor = start_host()
    successor.greet(STARTING)
    successor.tell(READY)
    for _ in requests:
        successor.answer(successor.receive())

    assert [1, 2] == [mark(request) for request in requests]


def test_a_host_that_cannot_start_says_why(path, channel, start_host):
    """Nobody waits for it; once it has started, that is forgotten."""
    note_host_trouble(path.parent, "no thread can be started")
    until(lambda: not channel.status.starting)
    reason = channel.status.reason
    end_host_trouble(path.parent)
    start_host().greet(READY)
    until(lambda: channel.status.ready)

    assert "the model host cannot start: no thread can be started; it is tried again" == reason


def test_a_host_that_went_away_is_starting_again(host, channel):
    """The model's name is still known, and so is what is being waited for."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    host.die()
    until(lambda: not channel.status.ready)

    reason = "the model host is being started again"
    assert HostStatus.away("shapes", reason, starting=True) == channel.status


def test_a_version_that_retires_right_after_its_answer_has_its_classes(host, ask):
    """Answer and news may arrive in one read, before the request's greenlet goes on."""
    request = ask()
    host.greet(READY)
    newer = VersionStatus(version=2, state="serving", loaded=loaded("up", "down"))
    model = READY.default.model_copy(update={"versions": (newer,), "default": 2})
    news = HostStatus.of(model).model_dump_json().encode()
    host.send(answer_to(host.receive()) + encode(Kind.STATUS, 0, news))

    assert ("ring", "line") == request.get().classes


def test_a_retiring_version_answers_with_its_own_classes(host, ask):
    """Two versions are known while the older one finishes its work."""
    request = ask()
    newer = VersionStatus(version=2, state="serving", loaded=loaded("up", "down"))
    older = READY.versions[0].model_copy(update={"state": "retiring"})
    host.greet(READY.model_copy(update={"versions": (newer, older)}))
    host.answer(host.receive(), version=1)

    assert ("ring", "line") == request.get().classes


SILENT = "the model host has been silent for 14400.0 s; it should have been replaced after 3600 s"


def fall_silent(channel, pulses: int = 4) -> None:
    """Let the time pass in which nothing comes."""
    channel._quiet = 0
    for _ in range(pulses):
        channel._feel()


def test_a_host_that_should_have_been_replaced_is_not_asked(host, channel, deadline, caplog):
    """Requests are refused at once, readiness says why, and scrapes do not wait."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    channel._quiet = 0
    for _ in range(3):
        channel._feel()
    assert channel.status == READY
    channel._feel()
    channel._feel()

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
        channel.serving(deadline)
    assert 1 == caught.value.retry_after_s
    with pytest.raises(HostLostError, match=r"^the model host is away$"):
        channel.metrics(deadline)
    assert ["the model host is silent; 0 requests wait for it"] == caplog.messages


def test_a_host_that_is_merely_late_is_asked(host, channel, ask):
    """Nothing came for nearly as long as it takes to be replaced: it is ready, and answers."""
    host.greet(READY)
    until(lambda: channel.status == READY)
    fall_silent(channel, 3)
    request = ask(mark=7)
    assert channel.status == READY
    host.answer(host.receive())

    assert 7 == mark(request)


def test_a_host_that_speaks_again_is_asked_again(host, channel, ask):
    """Whatever it says; what it had before it fell silent it still has."""
    before = ask(mark=1)
    host.greet(READY)
    frame = host.receive()
    fall_silent(channel)
    during = ask(mark=2)
    gevent.sleep(0)
    host.send(encode(Kind.BEAT, 0))
    until(lambda: channel.status == READY)
    host.answer(frame)
    host.answer(host.receive())

    assert [1, 2] == [mark(before), mark(during)]


def test_what_a_silent_host_had_is_sent_to_the_next(host, start_host, channel, ask):
    """Within its deadline, a request that was there before the silence is answered after it."""
    request = ask(mark=9)
    host.greet(READY)
    host.receive()
    fall_silent(channel)
    host.die()
    until(lambda: channel.status.starting)
    successor = start_host()
    successor.greet(READY)
    successor.answer(successor.receive())

    assert 9 == mark(request)


def test_a_host_that_falls_silent_while_it_loads_is_not_waited_for(host, channel, deadline):
    """It has four times as long. When it speaks again, its first version is waited for again."""
    early = gevent.spawn(channel.serving, deadline)
    host.greet(STARTING)
    until(lambda: channel.status == STARTING)
    fall_silent(channel, 15)
    assert channel.status == STARTING
    fall_silent(channel, 16)

    assert isinstance(failure(early), NotReadyError)
    assert SILENT == str(failure(early))
    host.send(encode(Kind.BEAT, 0))
    until(lambda: channel.status == STARTING)
    late = gevent.spawn(channel.serving, deadline)
    gevent.sleep(0)
    host.tell(READY)
    assert READY.serving.loaded == late.get()


@pytest.mark.usefixtures("host")
def test_a_host_that_never_spoke_is_not_waited_for(channel, deadline):
    """The kernel connects a web worker to a frozen host; its silence counts from then on."""
    for _ in range(3):
        channel._connection = None  # while it is away, nobody is judged
        fall_silent(channel, 16)
    channel._connect()
    for _ in range(15):
        channel._feel()
    assert channel.status.starting
    channel._feel()

    with pytest.raises(NotReadyError, match=f"^{SILENT}$"):
        channel.serving(deadline)


def test_time_is_counted_while_the_channel_runs(path, host):
    """A quarter of the bound at a time."""
    channel = HostChannel(path, 2**20, silence_s=0.004)
    channel.start()
    host.greet(READY)
    until(lambda: channel._silent)
    channel.close()


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
    """Each time costs a line in the log, no traceback, and twice the pause; an answer ends it."""
    channel = HostChannel(path, 2**20)
    for _ in range(9):
        channel._lose(FrameError("a frame of 9 bytes; at most 8"))
    pauses = [re.search(r"in ([0-9.]+) s$", line) for line in caplog.messages]

    assert ["0.05", "0.10", "0.20", "0.40", "0.80", "1.60", "3.20", "5.05", "5.05"] == [
        found[1] for found in pauses if found
    ]
    assert not any(record.exc_info for record in caplog.records)
    assert 100 == channel._skips
    channel.close()


@pytest.mark.usefixtures("host")
def test_tries_to_connect_are_left_out(channel):
    """Until it is time."""
    channel._connection = None
    channel._skips = 2
    for _ in range(2):
        channel._connect()
        assert channel._connection is None
    channel._connect()
    assert channel._connection is not None


def test_a_request_that_fits_into_no_frame_is_refused(host, channel, deadline):
    """With a sentence; those beside it are answered."""
    host.greet(READY)
    until(lambda: channel.status.ready)
    with pytest.raises(TooLargeError, match=r"^the request takes 1048616 bytes on its way to the"):
        channel.predict(1, bytes(2**20), deadline)


def test_an_example_is_fetched(host, channel, deadline):
    """In the shape of the version's input."""
    host.greet(BOTH)
    until(lambda: channel.status.ready)
    asked = gevent.spawn(channel.example, deadline, model="dots")
    frame = host.receive()
    host.send(encode(Kind.EXAMPLE, frame.request_id, b"x"))

    assert (1, 4) == decode_example(frame.body)
    assert [[[ord("x")]]] == asked.get().tolist()


def test_without_a_version_there_is_no_example(channel, deadline):
    """Nobody is asked."""
    with pytest.raises(NotReadyError, match=r"^the model host is being started$"):
        channel.example(deadline)


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


def test_a_model_and_a_version_can_be_asked_for(host, channel, deadline):
    """The host is told the model's place; the classes are those of what answered."""
    asked = gevent.spawn(
        channel.predict, 1, b"x", deadline, model="dots", version=5, or_default=True
    )
    host.greet(BOTH)
    frame = host.receive()
    expected = Predict(deadline, 1, b"x", model=1, version=5, or_default=True)
    assert expected == Predict.decode(frame.body)
    host.answer(frame, version=4)

    assert ("dark", "light") == asked.get().classes


@pytest.mark.parametrize(
    ("version", "classes"),
    [(0, ("dark", "light")), (5, ("black", "white"))],
    ids=["default", "given"],
)
def test_what_a_model_takes_is_known_before_it_is_asked(host, channel, deadline, version, classes):
    """Of the version that is to answer."""
    host.greet(BOTH)
    found = channel.serving(deadline, model="dots", version=version)

    assert classes == found.classes


@pytest.mark.parametrize(
    ("model", "version", "sentence"),
    [
        ("lines", 0, "there is no model 'lines' (there is: shapes, dots)"),
        ("dots", 9, "dots version 9 does not serve, it is not loaded (there is: 5, 4)"),
        ("dots", 3, "dots version 3 does not serve, it is refused: it is empty (there is: 5, 4)"),
    ],
    ids=["model", "version", "refused version"],
)
def test_what_there_is_not_is_not_found(  # noqa: PLR0917 - fixtures
    host, channel, deadline, model, version, sentence
):
    """The sentence says what there is."""
    host.greet(BOTH)
    until(lambda: channel.status == BOTH)

    with pytest.raises(NotFoundError, match=f"^{re.escape(sentence)}$"):
        channel.serving(deadline, model=model, version=version)


def test_a_version_that_is_being_loaded_is_not_ready(host, channel, deadline):
    """It is worth coming again."""
    dots = BOTH.models[1].model_copy(
        update={"versions": (VersionStatus(version=6, state="loading"),)}
    )
    host.greet(HostStatus.of(BOTH.default, dots))
    until(lambda: channel.status.models[-1] == dots)

    with pytest.raises(NotReadyError, match=r"^dots version 6 is being loaded$") as caught:
        channel.serving(deadline, model="dots", version=6)
    assert 1 == caught.value.retry_after_s


@pytest.mark.parametrize("name", [None, "dots"])
def test_without_a_host_no_model_is_said_not_to_be_there(channel, clock, name):
    """A new web worker knows none of their names; it says so, and that asking again may help."""
    for ask in (channel.serving, partial(channel.predict, 1, b"x")):
        with pytest.raises(ServiceError) as caught:
            ask(clock() - 1, model=name)
        assert not isinstance(caught.value, NotFoundError)
    with pytest.raises(NotReadyError, match=r"^the model host is being started$") as caught:
        channel.serving(clock() - 1, model=name)
    assert 1 == caught.value.retry_after_s


def test_before_the_store_was_read_no_model_is_said_not_to_be_there(host, channel, deadline):
    """The host serves what it was told to, and cannot know yet what else there is."""
    trouble = ModelStatus(name="shapes", ready=False, reason="the store is away")
    host.greet(HostStatus(model="shapes", models=(trouble,), complete=False))
    until(lambda: not channel.status.starting)

    with pytest.raises(NotReadyError, match=r"^the store is away$"):
        channel.model("dots")
    with pytest.raises(NotReadyError, match=r"^the store is away$"):
        channel.serving(deadline, model="dots")


def test_before_all_versions_were_tried_none_is_said_not_to_be_there(host, channel, deadline):
    """A host that was started again serves the first one, and has the others before it."""
    host.greet(HostStatus.of(READY.default, DOTS.model_copy(update={"complete": False})))
    until(lambda: channel.status.ready)

    with pytest.raises(NotReadyError, match=r"^version 9 of dots is not known yet: ") as caught:
        channel.serving(deadline, model="dots", version=9)
    assert 1 == caught.value.retry_after_s
    asked = gevent.spawn(channel.predict, 1, b"x", deadline, model="dots", version=9)
    refused = Refused(Refusal.NOT_FOUND, 0.0, "dots version 9 does not serve")
    host.send(encode_refusal(host.receive().request_id, refused))
    assert isinstance(failure(asked), NotReadyError)


def test_a_version_that_is_gone_when_the_request_comes_is_not_found(host, channel, deadline):
    """The host knows it later than the web worker asked."""
    asked = gevent.spawn(channel.predict, 1, b"x", deadline, model="dots", version=4)
    host.greet(BOTH)
    frame = host.receive()
    refused = Refused(Refusal.NOT_FOUND, 0.0, "dots version 4 does not serve")
    host.send(encode_refusal(frame.request_id, refused))

    assert isinstance(failure(asked), NotFoundError)


def test_a_model_that_is_loaded_later_is_waited_for(host, channel, deadline):
    """While the others serve."""
    loading = ModelStatus(name="dots", ready=False, starting=True, reason="being loaded")
    host.greet(HostStatus.of(READY.default, loading))
    until(lambda: channel.status.ready)
    waiting = gevent.spawn(channel.serving, deadline, model="dots")
    gevent.sleep(0)
    assert not waiting.ready()
    host.tell(BOTH)

    assert ("dark", "light") == waiting.get().classes


def test_a_request_is_sent_again_to_its_model(start_host, channel, deadline):
    """Though the next host has it at another place."""
    lines = ModelStatus(name="lines", ready=True, reason=None)
    first = start_host()
    asked = gevent.spawn(channel.predict, 1, b"x", deadline, model="dots", version=5)
    first.greet(BOTH)
    first.receive()
    first.die()
    second = start_host()
    second.greet(HostStatus.of(READY.default, lines, DOTS))
    frame = second.receive()
    assert Predict(deadline, 1, b"x", model=2, version=5) == Predict.decode(frame.body)
    second.answer(frame, version=5)

    assert ("black", "white") == asked.get().classes


def test_an_operators_request_is_handed_on(host, channel, deadline):
    """As JSON, both ways; it needs no version."""
    host.greet(EMPTY)
    until(lambda: not channel.status.starting)
    asked = gevent.spawn(channel.admin, {"action": "pin", "version": 3}, deadline)
    frame = host.receive()
    assert (Kind.ADMIN, {"action": "pin", "version": 3}) == (frame.kind, json.loads(frame.body))
    host.send(encode(Kind.ADMIN, frame.request_id, b'{"ok": true}'))

    assert {"ok": True} == asked.get()


def test_metrics_are_fetched(host, channel, deadline):
    """They are had from a host that has no version yet as well."""
    host.greet(EMPTY)
    until(lambda: not channel.status.starting)
    request = gevent.spawn(channel.metrics, deadline)
    frame = host.receive()
    host.send(encode(Kind.METRICS, frame.request_id, b"glyph_up 1\n"))

    assert (Kind.METRICS, b"") == (frame.kind, frame.body)
    assert b"glyph_up 1\n" == request.get()


def test_statistics_are_fetched(host, channel, deadline):
    """They come as the host wrote them."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    request = gevent.spawn(channel.statistics, deadline)
    frame = host.receive()
    told = [VersionStatistics("mnist", 3, images=2, batches={2: Duration(1, 0.5)})]
    host.send(encode(Kind.STATISTICS, frame.request_id, STATISTICS.dump_json(told)))

    assert (Kind.STATISTICS, b"") == (frame.kind, frame.body)
    assert told == request.get()


def test_metrics_are_not_waited_for_while_the_host_is_away(channel, deadline):
    """Whoever scrapes gets the web workers' own."""
    with pytest.raises(HostLostError, match=r"^the model host is away$"):
        channel.metrics(deadline)


def test_metrics_end_with_their_host(host, channel, deadline):
    """The next host's would be other ones."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    request = gevent.spawn(channel.metrics, deadline)
    host.receive()
    host.die()

    assert isinstance(failure(request), HostLostError)


def test_closing_ends_the_connection(host, channel):
    """The host need not wait for a worker that has gone."""
    host.greet(READY)
    until(lambda: not channel.status.starting)
    channel.close()

    assert host.receive() is None


def test_a_channel_that_was_never_started_may_be_closed(path):
    """There is nothing to end."""
    HostChannel(path, 2**20).close()


def cancelled(host) -> int:
    """Wait for the next frame, which cancels; gives the request that it is about."""
    frame = host.receive()
    assert (Kind.CANCEL, b"") == (frame.kind, frame.body)
    return frame.request_id


def until(condition) -> None:
    """Let the other greenlets run until something holds; the test's own timeout is the bound."""
    while not condition():
        gevent.sleep(0)
