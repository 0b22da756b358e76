"""The load generator's loops: every request is sent when it should be, and none is forgotten."""

from __future__ import annotations

import asyncio
import itertools
import time

import numpy as np
import pytest

from tests.benchmarks.scenarios.load import (
    LOST,
    TIMED_OUT,
    UNCONNECTED,
    Closed,
    Open,
    _still_open,
    load,
    sentence_of,
)
from tests.benchmarks.scenarios.wire import LostError, Reply

OK = Reply(200, b"HTTP/1.1 200 OK\r\n", b"{}")
REFUSED = Reply(429, b"HTTP/1.1 429 NO\r\nRetry-After: 3\r\n", b'{"error":"12 images wait"}')
BARE = Reply(429, b"HTTP/1.1 429 NO\r\n", b'{"error":"13 images wait"}')
LAST = Reply(200, b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"{}")


class Server:
    """Returns answers in turn, the last of them forever; None is no answer."""

    def __init__(self, *answers):
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.connected = 0
        self.asked = 0
        self.most = 0
        """Requests at the same time."""

    async def connect(self):
        self.connected += 1
        return Dialled(self, self.connected)

    async def answer(self):
        self.asked += 1
        self.most = max(self.most, self.asked)
        try:
            await asyncio.sleep(0.001)
            answer = next(self._answers)
            if answer is None:
                await asyncio.get_running_loop().create_future()
            return answer
        finally:
            self.asked -= 1


class Dialled:
    """A connection to it."""

    def __init__(self, server, port):
        self._server = server
        self.port = port
        self.open = True

    async def ask(self, _data):
        answer = await self._server.answer()
        if isinstance(answer, Exception):
            self.open = False
            raise answer
        self.open = not answer.closes
        return answer

    def close(self):
        self.open = False


def loaded(server, *plan, timeout_s=5.0):
    """Run a plan against a server."""
    return asyncio.run(load(plan, server.connect, begin=time.monotonic(), timeout_s=timeout_s))


def test_an_open_loop_sends_what_was_ordered():
    """As many requests as the rate gives, each due a step after the one before."""
    stream = Open(requests=[b"?"], rate=500, seconds=0.1)

    measured = loaded(Server(OK), stream)

    due = np.sort(measured.records["intended"]) - measured.begin
    assert pytest.approx(np.arange(50) / 500) == due
    assert (measured.records["sent"] >= measured.records["intended"]).all()
    assert {200} == set(measured.records["status"].tolist())


def test_an_open_loop_counts_the_wait_for_a_connection():
    """With one connection that never answers, the others wait, and time out from their due time."""
    stream = Open(requests=[b"?"], rate=1000, seconds=0.02, connections=1)

    measured = loaded(Server(None), stream, timeout_s=0.03)

    assert [TIMED_OUT] * 20 == measured.records["status"].tolist()
    waited = measured.records["done"] - measured.records["intended"]
    assert (waited >= 0.03).all()


def test_an_open_loop_has_only_so_many_connections():
    """What is due meanwhile waits for one."""
    server = Server(OK)
    stream = Open(requests=[b"?"], rate=10_000, seconds=0.005, connections=3)

    measured = loaded(server, stream)

    assert (50, 3, 3) == (len(measured.records), server.most, server.connected)


def test_a_connection_that_was_closed_while_it_was_idle_is_passed_over():
    """The last that is still open is taken, and then there is none."""
    gone, kept = Dialled(Server(OK), 1), Dialled(Server(OK), 2)
    gone.close()
    idle = [gone, kept, gone]

    assert (kept, None) == (_still_open(idle), _still_open(idle))


def test_an_open_loop_uses_connections_again():
    """One that is free serves the next request; one that was closed does not."""
    server = Server(OK, LAST, OK)
    stream = Open(requests=[b"?"], rate=1000, seconds=0.004, connections=1)

    measured = loaded(server, stream)

    assert [1, 1, 2, 2] == measured.records["port"].tolist()


def test_a_closed_loop_asks_again_over_the_same_connection():
    """Whatever the answers are; round its requests."""
    server = Server(OK, OK, REFUSED, LAST)
    stream = Closed(requests=[b"?"], clients=1, seconds=60, leave_when_closed=True)

    measured = loaded(server, stream)

    assert [200, 200, 429, 200] == measured.records["status"].tolist()
    assert 1 == server.connected


def test_what_is_no_prediction_is_told():
    """Refusals with their Retry-After and sentence, and connections that ended."""
    server = Server(REFUSED, BARE, LostError("closed"), OK)

    measured = loaded(server, Open(requests=[b"?"], rate=1000, seconds=0.004, connections=1))

    assert [429, 429, LOST, 200] == measured.records["status"].tolist()
    assert {(429, "N images wait"): 2, (LOST, "closed"): 1} == dict(measured.sentences)
    retry_after = measured.records["retry_after"]
    assert 3 == retry_after[0]
    assert np.isnan(retry_after[1:]).all()
    assert 2 == server.connected


def test_a_client_leaves_when_it_is_told_to():
    """With `leave_when_closed`, the answer that closes a connection is a client's last."""
    stream = Closed(requests=[b"?"], clients=3, seconds=60, leave_when_closed=True)

    assert [200] * 3 == loaded(Server(LAST), stream).records["status"].tolist()


def test_nobody_who_listens_is_told_as_well():
    """A request that found no connection is counted too."""

    class Nobody:
        async def connect(self):
            raise ConnectionRefusedError

    measured = loaded(Nobody(), Open(requests=[b"?"], rate=100, seconds=0.02))

    assert [UNCONNECTED] * 2 == measured.records["status"].tolist()


def test_streams_are_told_apart():
    """Each record names the stream of the plan it is from."""
    one = Open(requests=[b"?"], rate=100, seconds=0.02)
    other = Open(requests=[b"?"], rate=100, seconds=0.05, start_s=0.01)

    measured = loaded(Server(OK), one, other)

    assert (2, 5) == (len(measured.stream(0)), len(measured.stream(1)))


@pytest.mark.parametrize("body", [b"<html>404</html>", b"[404]", b'{"reason":404}'])
def test_a_refusal_that_has_no_sentence_is_shown_as_it_is(body):
    """Figures are written as N, so that like is counted with like."""
    assert body.decode().replace("404", "N") == sentence_of(body)


def test_what_predictions_say_is_kept_where_that_is_wanted():
    """Of one stream, and only its predictions, with the request that was asked."""
    body = b'{"model":{"version":7},"predictions":[{"probabilities":[0.25,0.75]}]}'
    said = Reply(200, b"HTTP/1.1 200 OK\r\nConnection: close\r\n", body)
    stream = Closed(requests=[b"?", b"!"], clients=1, seconds=60, leave_when_closed=True, read=True)

    measured = loaded(Server(REFUSED, said), stream)

    assert [1] == measured.answers.request.tolist()
    assert [7] == measured.answers.version.tolist()
    assert [[0.25, 0.75]] == measured.answers.probabilities.tolist()
    assert (
        [] == loaded(Server(said), Open(requests=[b"?"], rate=9, seconds=0.2)).answers.done.tolist()
    )


def test_streams_end_once_it_is_enough(tmp_path):
    """However long they would go on; what was asked is answered."""
    enough = tmp_path / "enough"

    class Enough(Server):
        async def answer(self):
            if self.connected == 3:
                enough.touch()
            return await super().answer()

    plan = [
        Closed(requests=[b"?"], clients=2, seconds=3600),
        Open(requests=[b"?"], rate=100, seconds=3600),
    ]

    running = load(plan, Enough(OK).connect, begin=time.monotonic(), enough=enough)
    measured = asyncio.run(asyncio.wait_for(running, 30))

    assert {200} == set(measured.records["status"].tolist())
    assert {0, 1} == set(measured.records["stream"].tolist())


def test_a_judged_stream_keeps_a_note_of_every_request():
    """With the judge's words, or the trouble's where there was no reply."""

    def judge(request, reply):
        return f"{request} {reply.status}"

    server = Server(OK, REFUSED)
    plan = Closed(requests=[b"a", b"b"], clients=1, seconds=0.15, pause_s=0.01, judge=judge)
    notes = loaded(server, plan).notes
    lost = loaded(Server(LostError("reset")), plan).notes

    assert ["0 200", "1 429"] == [note.said for note in notes[:2]]
    assert {0} == {note.stream for note in notes}
    assert all(note.sent <= note.done for note in notes)
    assert "reset" == lost[0].said
