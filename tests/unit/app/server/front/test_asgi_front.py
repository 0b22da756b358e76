"""The ASGI application in front of Flask: what it answers, and whom it does not wait for."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace

import pytest

from app.ipc.status import HostStatus, ModelStatus
from app.server.front.asgi_types import RECEIVED, Received
from app.web.http.held_bodies import held_bodies
from tests.in_process import BothWays, InstantChannel, Request, serving

SAFETY_S = 10
JSON, RAW = ("content-type", "application/json"), ("content-type", "application/octet-stream")
PIXELS = bytes([7, 0, 0, 255])
MOST_BYTES = 1024
TOKEN = "of-an-operator-of-this-service"  # noqa: S105
RIGHT_TOKEN, WRONG = (("authorization", f"Bearer {token}") for token in (TOKEN, "another"))
RIGHT = Request("/predict", PIXELS, (RAW,))
TO_FLASK = Request("/predict?top_k=1", PIXELS, (RAW,))
"""The same question, and one that the event loop leaves to Flask."""


class SlowChannel(InstantChannel):
    """A model host that answers no prediction; remembers who gave up."""

    def __init__(self, status) -> None:
        super().__init__(status)
        self.waiting = asyncio.Semaphore(0)
        self.given_up = 0

    async def predict(self, *_question, **_to):
        self.waiting.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise


class Client:
    """Sends a request, and sees what it is answered."""

    def __init__(self, request, *pieces, **known) -> None:
        """Create one.

        Args:
            request: What it sends.
            pieces: Of a body that comes after the head; then it is silent.
            known: What the connection knows of the request beside its scope.
        """
        self.scope = request.scope()
        if known or request.pieces is not None:
            whole = None if request.pieces is not None else request.body
            self.scope[RECEIVED] = Received(**{"body": whole} | known)
        self._pieces = list(pieces)
        self.sent: list[dict] = []
        self.asked = asyncio.Event()
        """Set once the rest of its body is asked for."""

    async def receive(self):
        self.asked.set()
        if not self._pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": self._pieces.pop(0), "more_body": True}

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def error(self):
        return json.loads(self.body)["error"]

    def begin(self, front) -> asyncio.Task:
        """Have a front answer."""
        return asyncio.create_task(front(self.scope, self.receive, self.send))


def silent(target, length=None, *headers, method="POST") -> Request:
    """Make a request whose body does not come: it has a length, or comes in chunks."""
    framing = ("transfer-encoding", "chunked")
    if length is not None:
        framing = ("content-length", str(length))
    return Request(target, method=method, headers=(framing, *headers), pieces=())


@pytest.fixture
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def make_ways(loop, clock):
    """Return a function that makes both fronts of an application, with some settings changed."""

    def run(channel=InstantChannel, **settings) -> BothWays:
        shapes = ModelStatus(
            name="shapes", ready=True, reason=None, default=3, versions=(serving(3),)
        )
        settings = {"max_body_bytes": MOST_BYTES} | settings
        return BothWays(channel(HostStatus.of(shapes)), loop.get_loop(), clock, **settings)

    return run


@pytest.fixture
def ask(loop, make_ways):
    """Return a function that sends a front a request, and returns the client with its answer."""
    usual = make_ways()

    def run(request, front=None, **known) -> Client:
        async def answer():
            client = Client(request, **known)
            async with asyncio.timeout(SAFETY_S):
                await client.begin(usual.short if front is None else front)
            return client

        return loop.run(answer())

    return run


@pytest.fixture
def count():
    """Return a function that reads the counter of requests, of fronts, by route and status."""

    def run(ways, route, status):
        labels = {"route": route, "method": "POST", "status": str(status)}
        return ways.registry.get_sample_value("glyph_http_requests_total", labels)

    return run


@pytest.mark.parametrize("request_", [RIGHT, TO_FLASK], ids=["short way", "Flask"])
def test_a_request_is_answered_in_one_head_and_one_body(ask, request_):
    """With its length, so that the connection can go on; names of headers are in lower case."""
    client = ask(request_)
    start, body = client.sent

    assert ("http.response.start", 200) == (start["type"], start["status"])
    assert ("http.response.body", False) == (body["type"], body["more_body"])
    assert str(len(body["body"])).encode() == client.headers[b"content-length"]
    assert b"the-same" == client.headers[b"x-request-id"]
    assert all(name == name.lower() for name, _ in start["headers"])


def test_a_body_that_came_with_its_head_is_not_asked_for(ask):
    """It is here."""
    assert not ask(RIGHT).asked.is_set()


@pytest.mark.parametrize("request_", [RIGHT, TO_FLASK], ids=["short way", "Flask"])
def test_any_asgi_server_may_stand_before_it(loop, make_ways, request_):
    """One that knows nothing of a request beyond its scope, and hands its body on in pieces."""
    client = Client(request_)
    client.scope = {name: value for name, value in client.scope.items() if name != RECEIVED}
    pieces = [PIXELS[:1], PIXELS[1:]]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    loop.run(make_ways().short(client.scope, receive, client.send))

    assert 200 == client.status


@pytest.mark.parametrize(
    "target", ["/", "/healthz", "/models", "/openapi.json", "/nothing", "/predict", "/metrics"]
)
def test_head_is_answered_as_get_is_without_the_body(ask, target):
    """As HTTP wants it (RFC 9110, section 9.3.2)."""
    get, head = (ask(Request(target, method=method)) for method in ("GET", "HEAD"))

    assert (get.status, b"") == (head.status, head.body)
    assert get.body
    lengths = [int(one.headers[b"content-length"]) for one in (get, head)]
    assert lengths[0] == len(get.body)
    assert lengths[1] == lengths[0] or target in {"/metrics", "/predict"}  # which count or name it


def test_head_gets_no_body_from_the_gate_either(ask, make_ways):
    """What is refused there has one."""
    guarded = make_ways(rate_limit="1/minute", access_log="all")
    heads = [ask(Request("/models", method="HEAD"), guarded.short) for _ in range(2)]

    assert [(200, b""), (429, b"")] == [(head.status, head.body) for head in heads]
    assert 0 < int(heads[1].headers[b"content-length"])


UNAWAITED = [
    pytest.param(silent("/nothing", 100, JSON), 404, id="no route"),
    pytest.param(silent("/healthz", 100, JSON), 405, id="no POST"),
    pytest.param(silent("/predict", 100, JSON, method="PUT"), 405, id="no PUT"),
    pytest.param(silent("/predict", 100, ("content-type", "text/plain")), 415, id="kind"),
    pytest.param(silent("/predict", None, ("content-type", "text/plain")), 415, id="chunked kind"),
    pytest.param(silent("/predict?top_k=x", 100, JSON), 400, id="query"),
    pytest.param(silent("/predict", 100, JSON, ("accept", "text/html")), 406, id="form"),
    pytest.param(silent("/predict", 100, JSON, ("x-request-timeout-ms", "0")), 400, id="deadline"),
    pytest.param(silent("/v1/nothing", 100, JSON), 400, id="nothing of TensorFlow Serving"),
    pytest.param(silent("/V1/models/shapes:Predict", 100, JSON), 400, id="a verb it has not"),
    pytest.param(silent(f"/v1/models/a/versions/{9**25}:predict", 100), 400, id="its version"),
    pytest.param(silent("/models/shapes/promote", 100, JSON), 401, id="an order without a token"),
    pytest.param(silent("/models/shapes/pin", 100, WRONG), 403, id="one with another token"),
    pytest.param(silent("/v2/repository/models/shapes/load", 100), 401, id="load"),
    pytest.param(silent("/v2/repository/models/shapes/unload", 100), 401, id="unload"),
    pytest.param(silent("/healthz", 100, method="GET"), 200, id="GET"),
    pytest.param(silent("/predict", 100, method="OPTIONS"), 200, id="OPTIONS"),
]


@pytest.mark.parametrize(("request_", "status"), UNAWAITED)
def test_what_no_view_reads_is_not_waited_for(ask, make_ways, request_, status):
    """The head has decided the answer: it is the one that a whole body would get."""
    front = make_ways(admin_token=TOKEN).short
    client = ask(request_, front)
    whole = ask(replace(request_, pieces=()), front, body=bytes(100))

    assert (status, False) == (client.status, client.asked.is_set())
    assert whole.sent == client.sent


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/v1/models/shapes:predict", ()),
        ("/v1/models/shapes:classify", ()),
        ("/models/shapes/pin", (RIGHT_TOKEN,)),
        ("/v2/repository/models/shapes/unload", (RIGHT_TOKEN,)),
    ],
)
def test_what_a_view_reads_is_waited_for(ask, make_ways, target, headers):
    """Nothing in the head is wrong."""
    request = silent(target, 100, ("x-request-timeout-ms", "20"), *headers)
    client = ask(request, make_ways(admin_token=TOKEN).short)

    assert (408, True) == (client.status, client.asked.is_set())


@pytest.mark.parametrize("target", ["/predict", "/v1/models/shapes:predict"])
@pytest.mark.parametrize("headers", [(), (("expect", "100-continue"),)], ids=["", "expect"])
def test_a_body_that_is_announced_as_too_large_is_not_asked_for(ask, target, headers):
    """Nobody is told to go on sending it."""
    client = ask(silent(target, MOST_BYTES + 1, JSON, *headers))

    assert (413, False) == (client.status, client.asked.is_set())
    assert client.error.startswith(f"the body is larger than {MOST_BYTES} bytes")


def test_whoever_is_refused_at_the_gate_is_not_waited_for(ask, make_ways):
    """Its body is of no interest."""
    ways = make_ways(rate_limit="1/minute")
    clients = [ask(Request("/models", method="GET"), ways.short)]
    clients.append(ask(silent("/predict", 100, JSON), ways.short))

    assert [200, 429] == [client.status for client in clients]
    assert not clients[1].asked.is_set()


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_body_that_does_not_arrive_in_time_is_a_408(ask, make_ways, way):
    """Told by the view, and counted by its route."""
    request = silent("/predict", 100, JSON, ("x-request-timeout-ms", "20"))
    client = ask(request, getattr(make_ways(), way))

    assert (408, "the body did not arrive within 0.02 s") == (client.status, client.error)
    assert client.asked.is_set()


SPARED = [
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/models", 200),
    ("HEAD", "/models/shapes", 200),
    ("POST", "/v2/repository/index", 200),
    ("POST", "/models/shapes/promote", 403),
    ("POST", "/v2/repository/models/shapes/unload", 403),
]
OTHERS = [
    ("POST", "/predict"),
    ("POST", "/v1/models/shapes:predict"),
    ("POST", "/v2/models/shapes/infer"),
    ("POST", "/nothing"),
    ("PUT", "/models"),
]


@pytest.mark.parametrize(("method", "target", "status"), SPARED)
def test_on_a_surplus_connection_operators_get_in(ask, method, target, status):
    """Health, metrics, what is here, and orders: when nobody else gets in."""
    assert status == ask(Request(target, method=method), surplus=True).status


@pytest.mark.parametrize(("method", "target"), OTHERS)
def test_on_a_surplus_connection_nobody_else_gets_in(ask, method, target):
    """They may come again; their bodies are not waited for."""
    client = ask(silent(target, 100, RAW, method=method), surplus=True)

    assert (429, False) == (client.status, client.asked.is_set())
    assert "all connections of this worker are in use" == client.error
    assert b"1" == client.headers[b"retry-after"]


def test_while_the_worker_shuts_down_it_is_not_ready(ask):
    """Whoever asks at the end is told so, and is answered."""
    ready = ask(Request("/readyz", method="GET"), draining=True)

    assert (503, "the service is shutting down") == (ready.status, ready.error)
    assert 200 == ask(RIGHT, draining=True).status


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_client_that_goes_away_ends_what_is_done_for_it(loop, make_ways, count, caplog, way):
    """The model host is told; nothing is sent, and it is counted as proxies count it."""
    ways = make_ways(SlowChannel)
    channel = ways.channel

    async def run():
        client = Client(RIGHT)
        task = client.begin(getattr(ways, way))
        async with asyncio.timeout(SAFETY_S):
            await channel.waiting.acquire()
            task.cancel()
            await asyncio.wait([task])
            while not channel.given_up:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0)
        return client, task

    client, task = loop.run(run())
    assert task.cancelled()
    assert ([], 1, None) == (
        client.sent,
        count(ways, "/predict", 499),
        count(ways, "/predict", 503),
    )
    assert 0 == ways.registry.get_sample_value("glyph_http_requests_in_progress")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_client_that_goes_away_amid_its_body_leaves_nothing(loop, make_ways, way):
    """No memory, and no request in progress; Flask is not asked."""
    ways = make_ways()

    async def run():
        client = Client(silent("/predict", 100, RAW), b"1234", b"5678")
        task = client.begin(getattr(ways, way))
        async with asyncio.timeout(SAFETY_S):
            while held_bodies.bytes < 8:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return client

    client = loop.run(run())
    assert ([], [], 0) == (client.sent, ways.channel.asked, held_bodies.bytes)
    assert 0 == ways.registry.get_sample_value("glyph_http_requests_in_progress")


@pytest.mark.parametrize("way", ["short", "long"])
@pytest.mark.parametrize("request_", [RIGHT, TO_FLASK], ids=["short", "Flask"])
def test_a_failure_of_the_service_is_told_with_an_id(ask, make_ways, caplog, way, request_):
    """As JSON, with nothing of its reasons, which are in the log."""
    ways = make_ways()
    ways.channel.error = ZeroDivisionError("secret")
    client = ask(request_, getattr(ways, way))

    assert (500, "the-same") == (client.status, json.loads(client.body)["request_id"])
    assert b"application/json" == client.headers[b"content-type"]
    assert b"secret" not in client.body
    (failed,) = [record for record in caplog.records if record.exc_info]
    assert ("the-same", "secret") == (failed.request_id, str(failed.exc_info[1]))


def test_what_fails_beyond_flask_is_told_likewise(ask, make_ways, monkeypatch):
    """A bug of the front itself is no reason for another shape."""
    ways = make_ways()
    monkeypatch.setattr(ways.flask, "awaits_body", lambda _environ: 1 / 0)
    client = ask(silent("/predict", 4, RAW), ways.short)

    assert (500, "the-same") == (client.status, json.loads(client.body)["request_id"])


def test_a_full_lane_is_told_as_any_refusal_is(ask, make_ways, monkeypatch):
    """With when to come again, and by the gate."""
    monkeypatch.setattr("app.server.front.thread_lanes._MOST_WAITING", 0)
    client = ask(Request("/models", method="GET"), make_ways(cors_origins="*").short)

    assert (429, b"1", b"*") == (
        client.status,
        client.headers[b"retry-after"],
        client.headers[b"access-control-allow-origin"],
    )


@pytest.mark.parametrize("request_", [RIGHT, TO_FLASK], ids=["short way", "Flask"])
def test_both_ways_lead_through_the_gate(ask, make_ways, request_):
    """Whoever may not ask is refused, and limits count them together."""
    ways = make_ways(rate_limit="1/minute", cors_origins="*")
    first, second = ask(request_, ways.short), ask(RIGHT, ways.short)

    assert [200, 429] == [first.status, second.status]
    for client in (first, second):
        assert b"*" == client.headers[b"access-control-allow-origin"]
        assert b"nosniff" == client.headers[b"x-content-type-options"]


def test_the_event_loop_goes_on_while_flask_answers(loop, make_ways):
    """Predictions of the short way do not wait for a slow page."""
    ways = make_ways()
    begun, go = threading.Event(), threading.Event()

    @ways.flask.before_request
    def stop():
        begun.set()
        go.wait(SAFETY_S)

    async def run():
        slow, quick = Client(Request("/models", method="GET")), Client(RIGHT)
        async with asyncio.timeout(SAFETY_S):
            task = slow.begin(ways.short)
            assert await asyncio.to_thread(begun.wait, SAFETY_S)
            await quick.begin(ways.short)
            waited = task.done()
            go.set()
            await task
        return waited, quick.status, slow.status

    assert (False, 200, 200) == loop.run(run())
