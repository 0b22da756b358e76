"""The Flask application is called in threads, in lanes that cannot fill each other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

import pytest

from app.server.front import thread_lanes
from app.server.front.thread_lanes import Lane, Lanes
from app.web.http.environ import STARTED
from app.web.http.errors import DeadlineError, OverloadedError
from app.web.http.held_bodies import held_bodies
from app.web.http.pending_call import PENDING_CALL

SAFETY_S = 10
TIMEOUT_MS = 5000
STUCK = "/stuck"


class Application:
    """A WSGI application that answers with what it was asked; one path takes until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended: list[str] = []
        self._begun = threading.Semaphore(0)
        self._go = threading.Event()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.asked.append(path)
        self._begun.release()
        if path == STUCK:
            self._go.wait(SAFETY_S)
        self.ended.append(path)
        start_response("200 OK", [("X-A", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")])
        return [path.encode(), threading.current_thread().name[:4].encode()]

    async def begin(self, requests: int = 1) -> None:
        """Wait until so many more requests have reached a thread."""
        for _ in range(requests):
            assert await asyncio.to_thread(self._begun.acquire, timeout=SAFETY_S)

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def application():
    application = Application()
    yield application
    application.let_go()


@pytest.fixture
def make_lane(application, clock):
    """Return a function that makes a lane of an application; to be called on the event loop."""

    def run(threads=1, answer=application) -> Lane:
        return Lane(answer, clock, threads=threads, timeout_ms=TIMEOUT_MS)

    return run


@pytest.fixture
def request_for(clock):
    """Return a function that makes the environment of a request."""

    def run(path="/a", method="GET", **headers) -> dict:
        return {"REQUEST_METHOD": method, "PATH_INFO": path, STARTED: clock.now} | headers

    return run


async def settle() -> None:
    """Let the tasks that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_application_answers_in_a_thread(make_lane, request_for):
    """With all of its headers, in its order, and its body in one."""

    async def run():
        return await make_lane().answer(request_for("/a"))

    answer = asyncio.run(run())
    assert (200, b"/aflas") == (answer.status, answer.body)
    assert [("X-A", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")] == answer.headers


def test_an_application_sees_the_environment_that_the_gate_has_seen(make_lane, request_for):
    """What it notes there is known when the request leaves."""

    def answer(environ, start_response):
        environ["noted"] = environ["given"]
        start_response("200 OK", [])
        return []

    async def run():
        environ = request_for("/ü".encode().decode("latin-1"), given="abc")
        await make_lane(answer=answer).answer(environ)
        return environ

    assert "abc" == asyncio.run(run())["noted"]


class Parts:
    """Pieces of a body that are closed, as PEP 3333 wants it."""

    closed = False

    def __init__(self, make) -> None:
        self._pieces = make()

    def __iter__(self):
        return self._pieces

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("fails", [False, True])
def test_an_application_may_answer_piece_by_piece(make_lane, request_for, fails):
    """As late and in as many ways as WSGI allows; it is told when its answer has been taken."""
    parts = []

    def answer(_environ, start_response):
        def pieces():
            start_response("500 Internal Server Error", [("X-A", "1")])
            write = start_response("201 Created", [("X-B", "2")], (None, None, None))
            write(b"a")
            yield b"c"
            write(b"b")
            if fails:
                raise ZeroDivisionError
            yield b"d"

        parts.append(Parts(pieces))
        return parts[0]

    async def run():
        return await make_lane(answer=answer).answer(request_for())

    if fails:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(run())
    else:
        assert (201, [("X-B", "2")], b"acbd") == asyncio.run(run())
    assert parts[0].closed


def test_an_application_that_fails_frees_its_thread(make_lane, request_for):
    """Whoever asked learns of it."""

    def fail(environ, start_response):
        if environ["PATH_INFO"] == "/fails":
            raise ZeroDivisionError
        start_response("200 OK", [])
        return []

    async def run():
        lane = make_lane(answer=fail)
        with pytest.raises(ZeroDivisionError):
            await lane.answer(request_for("/fails"))
        return await lane.answer(request_for("/a"))

    assert 200 == asyncio.run(run()).status


LANES = [
    {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/v2/health/live"), ("HEAD", "/healthz")},
    {("GET", "/metrics"), ("POST", "/metrics")},
    {("POST", "/models/shapes/promote"), ("POST", "/v2/repository/models/shapes/load")},
    {("POST", "/predict"), ("POST", "/v1/models/shapes:predict"), ("POST", "/nothing")},
    {("GET", "/"), ("GET", "/example"), ("GET", "/docs"), ("GET", "/static/page.js")},
    {("GET", "/models"), ("POST", "/v2/repository/index"), ("OPTIONS", "/predict")},
]


def test_each_concern_has_a_lane_of_its_own(application, clock, request_for):
    """Health, metrics, changes, predictions, what is anybody's, and what is left."""

    async def run():
        lanes = Lanes(application, clock, TIMEOUT_MS)
        return [{lanes.of(request_for(path, method)) for method, path in lane} for lane in LANES]

    found = asyncio.run(run())
    assert [1] * len(LANES) == [len(lane) for lane in found]
    assert len(LANES) == len(set.union(*found))


@pytest.mark.parametrize("full", range(len(LANES)))
def test_a_lane_that_is_full_holds_up_no_other(application, clock, request_for, full):
    """However many wait in it."""

    async def run():
        lanes = Lanes(application, clock, TIMEOUT_MS)
        of_lane = [lanes.of(request_for(path, method)) for (method, path), *_ in map(list, LANES)]
        stuck = [asyncio.create_task(of_lane[full].answer(request_for(STUCK))) for _ in range(40)]
        await settle()
        others = [lane for lane in of_lane if lane is not of_lane[full]]
        answers = [await lane.answer(request_for("/a")) for lane in others]
        application.let_go()
        return answers, await asyncio.gather(*stuck)

    answers, late = asyncio.run(run())
    assert [200] * (len(LANES) - 1) == [answer.status for answer in answers]
    assert [200] * 40 == [answer.status for answer in late]


def test_no_more_requests_are_answered_at_once_than_there_are_threads(
    application, make_lane, request_for
):
    """The others come after them, in their order."""

    async def run():
        lane = make_lane(threads=2)
        tasks = [asyncio.create_task(lane.answer(request_for(STUCK))) for _ in range(2)]
        tasks += [asyncio.create_task(lane.answer(request_for(f"/{n}"))) for n in range(3)]
        await application.begin(2)
        await settle()
        begun = list(application.asked)
        application.let_go()
        await asyncio.gather(*tasks)
        return begun

    assert [STUCK, STUCK] == asyncio.run(run())
    assert ["/0", "/1", "/2"] == sorted(application.asked[2:])


def test_too_many_that_wait_are_refused(application, make_lane, request_for, monkeypatch):
    """At once; those that wait already are answered."""
    monkeypatch.setattr(thread_lanes, "_MOST_WAITING", 2)

    async def run():
        lane = make_lane()
        tasks = [asyncio.create_task(lane.answer(request_for(STUCK))) for _ in range(3)]
        await settle()
        with pytest.raises(OverloadedError) as refused:
            await lane.answer(request_for("/a"))
        application.let_go()
        return refused.value, [answer.status for answer in await asyncio.gather(*tasks)]

    refused, answered = asyncio.run(run())
    assert "2 requests wait for a thread; try again" == str(refused)
    assert (1, [200] * 3) == (refused.retry_after_s, answered)


def test_nobody_waits_for_a_thread_past_the_deadline(application, make_lane, request_for):
    """The application is not asked any more."""

    async def run():
        lane = make_lane()
        stuck = asyncio.create_task(lane.answer(request_for(STUCK)))
        await application.begin()
        with pytest.raises(DeadlineError, match="no thread was free before the deadline"):
            await lane.answer(request_for("/late", HTTP_X_REQUEST_TIMEOUT_MS="20"))
        application.let_go()
        await stuck
        return await lane.answer(request_for("/next"))

    assert 200 == asyncio.run(run()).status
    assert [STUCK, "/next"] == application.asked


@pytest.mark.parametrize("header", [{}, {"HTTP_X_REQUEST_TIMEOUT_MS": "soon"}], ids=str)
def test_a_request_without_a_deadline_has_the_lanes(
    application, make_lane, request_for, clock, header
):
    """As one whose deadline is none, which a view will tell it. It counts from the head on."""

    async def run():
        lane = make_lane()
        stuck = asyncio.create_task(lane.answer(request_for(STUCK)))
        await application.begin()
        late = request_for("/late", **header)
        clock.tick(TIMEOUT_MS / 1000)
        with pytest.raises(DeadlineError):
            await lane.answer(late)
        application.let_go()
        await stuck

    asyncio.run(run())


def test_an_order_may_wait_longer_than_a_prediction(application, clock, request_for):
    """Others take seconds, while the host looks at its store."""

    async def run():
        lanes = Lanes(application, clock, 1)
        lane = lanes.of(request_for("/models/shapes/promote", "POST"))
        stuck = [asyncio.create_task(lane.answer(request_for(STUCK))) for _ in range(4)]
        await application.begin(4)
        waiting = asyncio.create_task(lane.answer(request_for("/a")))
        await asyncio.sleep(0.01)
        waits = not waiting.done()
        application.let_go()
        await asyncio.gather(*stuck)
        return waits, (await waiting).status

    assert (True, 200) == asyncio.run(run())


def test_whoever_goes_away_while_it_waits_frees_its_place(
    application, make_lane, request_for, monkeypatch
):
    """The application is not asked."""
    monkeypatch.setattr(thread_lanes, "_MOST_WAITING", 1)

    async def run():
        lane = make_lane()
        stuck = asyncio.create_task(lane.answer(request_for(STUCK)))
        await application.begin()
        gone = asyncio.create_task(lane.answer(request_for("/gone")))
        await settle()
        gone.cancel()
        await asyncio.wait([gone])
        waiting = asyncio.create_task(lane.answer(request_for("/a")))
        await settle()
        application.let_go()
        return gone.cancelled(), await stuck, await waiting

    gone, *answers = asyncio.run(run())
    assert (True, [200, 200]) == (gone, [answer.status for answer in answers])
    assert [STUCK, "/a"] == application.asked


def test_whoever_goes_away_ends_what_its_thread_waits_for(make_lane, request_for):
    """And what it would wait for after that."""
    waits = []
    waiting = threading.Event()

    def answer(_environ, start_response):
        for _ in range(2):
            future = concurrent.futures.Future()
            PENDING_CALL.get().begin(future)
            waiting.set()
            try:
                future.result(SAFETY_S)
            except concurrent.futures.CancelledError:
                waits.append("cancelled")
        start_response("200 OK", [])
        return []

    async def run():
        lane = make_lane(answer=answer)
        task = asyncio.create_task(lane.answer(request_for()))
        assert await asyncio.to_thread(waiting.wait, SAFETY_S)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(run())
    assert ["cancelled"] * 2 == waits


def test_one_that_goes_away_ends_nothing_of_another(make_lane, request_for):
    """Each waits for its own."""
    waiting = threading.Semaphore(0)
    futures = {}

    def answer(environ, start_response):
        futures[environ["PATH_INFO"]] = future = concurrent.futures.Future()
        PENDING_CALL.get().begin(future)
        waiting.release()
        found = future.result(SAFETY_S)
        start_response("200 OK", [])
        return [found]

    async def run():
        lane = make_lane(2, answer)
        tasks = [asyncio.create_task(lane.answer(request_for(path))) for path in ("/a", "/b")]
        for _ in tasks:
            assert await asyncio.to_thread(waiting.acquire, timeout=SAFETY_S)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        futures["/b"].set_result(b"found")
        return await tasks[1]

    assert b"found" == asyncio.run(run()).body


def test_a_thread_that_cannot_be_ended_keeps_its_turn(application, make_lane, request_for):
    """Else there would be more requests at work than threads, and nobody would count them."""

    async def run():
        lane = make_lane()
        gone = asyncio.create_task(lane.answer(request_for(STUCK)))
        await application.begin()
        gone.cancel()
        await asyncio.wait([gone])
        following = asyncio.create_task(lane.answer(request_for("/next")))
        await settle()
        begun, waiting = list(application.asked), not following.done()
        application.let_go()
        return begun, waiting, (await following).status

    assert ([STUCK], True, 200) == asyncio.run(run())
    assert [STUCK, "/next"] == application.ended


def test_a_failure_that_nobody_waits_for_is_no_trouble(make_lane, request_for, caplog):
    """The client has gone; what became of its request is of no interest."""
    begun, go = threading.Event(), threading.Event()

    def fail(_environ, _start_response):
        begun.set()
        go.wait(SAFETY_S)
        raise ZeroDivisionError

    async def run():
        task = asyncio.create_task(make_lane(answer=fail).answer(request_for()))
        assert await asyncio.to_thread(begun.wait, SAFETY_S)
        task.cancel()
        await asyncio.wait([task])
        go.set()

    asyncio.run(run())
    assert "" == caplog.text


def test_a_body_is_held_until_its_thread_ends(application, make_lane, request_for):
    """Though the client has gone and its request is released."""

    async def run():
        environ = request_for(STUCK)
        held_bodies.take(environ, 7)
        task = asyncio.create_task(make_lane().answer(environ))
        await application.begin()
        task.cancel()
        await asyncio.wait([task])
        held_bodies.release(environ)
        during = held_bodies.bytes
        application.let_go()
        async with asyncio.timeout(SAFETY_S):
            while held_bodies.bytes:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
        return during

    assert 7 == asyncio.run(run())
