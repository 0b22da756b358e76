"""What every request passes on its way in and out."""

from __future__ import annotations

import json

import pytest

from app.web.http.buffered_response import BufferedResponse
from app.web.http.environ import REQUEST_ID, STARTED
from app.web.http.errors import NotFoundError, UnauthenticatedError
from app.web.http.held_bodies import HeldBodies
from app.web.middleware.gate import Gate, GatedApplication
from app.web.middleware.metrics import WebMetrics
from app.web.middleware.request_log import RequestLog

TEXT = ("Content-Type", "text/plain")


class Layer:
    """Notes the requests that it sees in a diary; may answer or refuse them."""

    def __init__(self, name, diary, answer=None) -> None:
        self.name = name
        self._diary = diary
        self._answer = answer

    def enter(self, environ):
        self._diary.append((self.name, environ["PATH_INFO"]))
        environ[self.name] = "seen"
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def headers(self, environ):
        return [(f"X-{self.name}", environ.get(self.name, "not seen"))]


class Application:
    """A WSGI application that answers what it is told to, or fails."""

    def __init__(self, failure=None) -> None:
        self.asked: list[str] = []
        self.failure: BaseException | None = failure

    def __call__(self, environ, start_response):
        self.asked.append(environ["PATH_INFO"])
        if self.failure is not None:
            raise self.failure
        start_response("200 OK", [TEXT])
        return [b"seven"]


@pytest.fixture
def held() -> HeldBodies:
    return HeldBodies()


@pytest.fixture
def diary() -> list:
    return []


@pytest.fixture
def make_gate(registry, clock, held, diary):
    """Return a function that makes a gate of an outer and an inner layer with given answers."""
    metrics = WebMetrics(registry)

    def run(outer=None, inner=None) -> Gate:
        layers = [Layer("Outer", diary, outer), Layer("Inner", diary, inner)]
        return Gate(RequestLog(metrics, clock, log_all=False), layers, held)

    return run


@pytest.fixture
def counts(registry):
    """Return a function that reads how many requests ended with a status, and how many are open."""

    def run(status):
        labels = {"route": "unmatched", "method": "GET", "status": str(status)}
        ended = registry.get_sample_value("glyph_http_requests_total", labels)
        return ended, registry.get_sample_value("glyph_http_requests_in_progress")

    return run


def request(path="/a", **more):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path} | more


def ask(application, environ):
    """Call a WSGI application; gives the status, the headers and the body."""
    started = []
    body = application(environ, lambda *start: started.append(start))
    ((status, headers, _),) = started
    return status, headers, b"".join(body)


def test_a_request_enters_through_every_layer_from_the_outermost_on(make_gate, diary, clock):
    """It has its name and its time before the first one sees it."""
    environ = request(HTTP_X_REQUEST_ID="abc")

    assert make_gate().enter(environ) is None
    assert [("Outer", "/a"), ("Inner", "/a")] == diary
    assert ("abc", clock.now) == (environ[REQUEST_ID], environ[STARTED])


@pytest.mark.parametrize(
    ("outer", "inner", "seen"),
    [
        (BufferedResponse(b"", [], 204), None, ["Outer"]),
        (None, BufferedResponse(b"", [], 204), ["Outer", "Inner"]),
    ],
    ids=["outer", "inner"],
)
def test_a_layer_may_answer_by_itself(make_gate, diary, outer, inner, seen):
    """Nothing further in sees the request."""
    response = make_gate(outer, inner).enter(request())

    assert (204, seen) == (response.status_code, [name for name, _ in diary])


def test_a_layer_may_refuse(make_gate, diary):
    """In the shape of all errors, with the headers of the refusal."""
    gate = make_gate(UnauthenticatedError("who are you?"))
    body, headers = gate.enter(request()).final({})

    assert {"error": "who are you?", "code": "auth.missing"} == json.loads(body)
    assert ["Outer"] == [name for name, _ in diary]
    assert ("WWW-Authenticate", 'Bearer realm="glyph"') in headers


def test_a_layer_that_fails_is_a_failure_of_the_service(make_gate, caplog):
    """The client learns an id and nothing else; nobody gets past the layer."""
    gate = make_gate(inner=ZeroDivisionError("secret"))
    environ = request(HTTP_X_REQUEST_ID="abc")
    response = gate.enter(environ)
    body, _ = response.final({})

    assert (500, "abc") == (response.status_code, json.loads(body)["request_id"])
    assert b"secret" not in body
    assert "secret" in caplog.text


def test_every_answer_carries_what_the_layers_add(make_gate):
    """Behind its own headers, the outermost layer's first; the id and the rule for kinds last."""
    gate, environ = make_gate(), request(HTTP_X_REQUEST_ID="abc")
    gate.enter(environ)

    assert [
        TEXT,
        ("X-Outer", "seen"),
        ("X-Inner", "seen"),
        ("X-Request-Id", "abc"),
        ("X-Content-Type-Options", "nosniff"),
    ] == gate.leave(environ, 200, [TEXT])


def test_a_refusal_carries_what_every_layer_adds(make_gate):
    """Also those that have not seen the request: a page of another origin may read it."""
    gate, environ = make_gate(outer=NotFoundError("nothing here")), request()
    gate.enter(environ)
    headers = gate.leave(environ, 404, [])

    assert [("X-Outer", "seen"), ("X-Inner", "not seen")] == headers[:2]


def test_the_headers_of_an_answer_are_left_as_they_were(make_gate):
    """They may belong to an answer that is given again and again."""
    gate, headers = make_gate(), [TEXT]
    for _ in range(2):
        gate.enter(environ := request())
        gate.leave(environ, 200, headers)

    assert [TEXT] == headers


@pytest.mark.parametrize("status", [200, 404, 500])
def test_whoever_leaves_is_counted_and_holds_nothing(make_gate, counts, held, status):
    """By the status of the answer."""
    gate, environ = make_gate(), request()
    gate.enter(environ)
    held.take(environ, 7)
    before = counts(status)
    gate.leave(environ, status, [])

    assert ((None, 1), (1, 0), 0) == (before, counts(status), held.bytes)


def test_whoever_is_abandoned_is_counted_and_holds_nothing(make_gate, counts, held):
    """As proxies count a client that has gone."""
    gate, environ = make_gate(), request()
    gate.enter(environ)
    held.take(environ, 7)
    gate.abandon(environ)

    assert ((1, 0), 0) == (counts(499), held.bytes)


def test_an_application_is_asked_behind_the_gate(make_gate, counts):
    """As any WSGI application is."""
    application = Application()
    status, headers, body = ask(GatedApplication(application, make_gate()), request("/b"))

    assert ("200 OK", b"seven", ["/b"]) == (status, body, application.asked)
    assert [TEXT, ("X-Outer", "seen")] == headers[:2]
    assert (1, 0) == counts(200)


def test_what_the_gate_answers_does_not_reach_the_application(make_gate, counts):
    """It is answered as WSGI wants it, and counted."""
    application = Application()
    gated = GatedApplication(application, make_gate(inner=NotFoundError("nothing here")))
    status, headers, body = ask(gated, request())

    assert ("404 Not Found", []) == (status, application.asked)
    assert b'{"error":"nothing here","code":"model.not_found"}\n' == body
    assert ("Content-Length", str(len(body))) in headers
    assert (1, 0) == counts(404)


def test_an_application_that_does_not_answer_has_abandoned_its_request(make_gate, counts, held):
    """Whatever ended it goes on to the server."""
    application = Application(failure=KeyboardInterrupt())
    environ = request()
    gated = GatedApplication(application, make_gate())
    held.take(environ, 7)
    with pytest.raises(KeyboardInterrupt):
        ask(gated, environ)

    assert ((1, 0), 0) == (counts(499), held.bytes)
