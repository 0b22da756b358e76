"""Flask with less in it is still Flask."""

from __future__ import annotations

import pytest
from flask import Blueprint, request, session

from app.web.lean_flask import FinalResponse, LeanFlask


@pytest.fixture
def app():
    """Make an application with one route of each sort."""
    app = LeanFlask(__name__, static_folder=None)
    routes = Blueprint("routes", __name__)

    @routes.get("/plain")
    def plain():
        return {"endpoint": request.endpoint, "arguments": request.view_args}

    @routes.get("/named/<name>")
    def named(name):
        return {"name": name, "query": request.args.get("q")}

    @routes.post("/final")
    def final():
        return FinalResponse(b"seven", [("Content-Type", "text/plain")])

    @routes.get("/session")
    def write():
        session["seen"] = True

    app.register_blueprint(routes)
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def test_a_route_is_found_again(client, app):
    """The second time from memory, and it is the same."""
    first, second = client.get("/plain"), client.get("/plain")

    assert {"endpoint": "routes.plain", "arguments": {}} == first.json == second.json
    assert [("/plain", "GET")] == list(app.matched)


def test_a_path_with_variables_is_found_again(client, app):
    """With what stands in their places; whatever follows the path is read every time."""
    answers = [client.get(f"/named/{name}?q={query}").json for name, query in ("ab", "cd", "ae")]

    assert [
        {"name": "a", "query": "b"},
        {"name": "c", "query": "d"},
        {"name": "a", "query": "e"},
    ] == answers
    assert [("/named/a", "GET"), ("/named/c", "GET")] == list(app.matched)


def test_callers_cannot_fill_the_memory(client, app):
    """However many paths they make up; those in use are soon known again."""
    for number in range(1000):
        client.get(f"/named/{number}")

    assert len(app.matched) <= 256
    assert {"name": "0", "query": None} == client.get("/named/0").json


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/none", 404), ("PUT", "/plain", 405)]
)
def test_what_matches_no_route_is_not_remembered(client, app, method, path, status):
    """And is refused as Flask refuses it."""
    assert status == client.open(path, method=method).status_code
    assert {} == app.matched


def test_the_method_is_part_of_what_matches(client):
    """A path known for one method is not answered for another."""
    client.get("/plain")

    assert 405 == client.post("/plain").status_code


def test_what_a_route_allows_can_be_asked_again(client):
    """Flask makes that answer itself."""
    answers = [client.options("/plain").headers["Allow"] for _ in range(2)]

    assert [{"GET", "HEAD", "OPTIONS"}] * 2 == [set(answer.split(", ")) for answer in answers]


@pytest.mark.parametrize("hook", ["before_request", "after_request", "teardown_request"])
def test_hooks_are_called_where_there_are_any(client, app, hook):
    """What Flask offers is left out only while nothing uses it."""
    calls = []
    getattr(app, hook)(lambda *given: calls.append(hook) or (given or [None])[0])
    client.get("/plain")
    client.get("/plain")

    assert [hook, hook] == calls


def test_hooks_of_a_context_are_called_where_there_are_any(client, app):
    """As those of a request are."""
    calls = []
    app.teardown_appcontext(calls.append)
    client.get("/plain")

    assert [None] == calls


def test_an_error_is_handled_as_flask_handles_it(client, app):
    """By the handler for its class."""
    app.register_error_handler(ZeroDivisionError, lambda _error: ("zero", 418))
    app.add_url_rule("/fails", view_func=lambda: 1 / 0)

    assert (418, "zero") == (client.get("/fails").status_code, client.get("/fails").text)


def test_a_final_response_is_sent_as_it_is(client):
    """With its length."""
    answer = client.post("/final")

    assert (200, b"seven") == (answer.status_code, answer.data)
    assert {"Content-Type": "text/plain", "Content-Length": "5"} == dict(answer.headers)


def test_a_session_cannot_be_written(client, app):
    """There are none; whoever tries learns of it."""
    app.testing = True
    with pytest.raises(RuntimeError, match="session is unavailable"):
        client.get("/session")
