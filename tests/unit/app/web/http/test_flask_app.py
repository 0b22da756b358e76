"""Flask with less in it is still Flask."""

from __future__ import annotations

import pytest
from flask import Blueprint, request, session

from app.web.http.environ import ROUTE
from app.web.http.errors import UnsupportedMediaTypeError
from app.web.http.flask_app import FlaskApp


def refuse(environ):
    """Take nothing but text."""
    if environ["CONTENT_TYPE"] != "text/plain":
        raise UnsupportedMediaTypeError("text is expected")


@pytest.fixture
def app():
    """Make an application with one route of each sort."""
    app = FlaskApp(__name__, static_folder=None)
    routes = Blueprint("routes", __name__)

    @routes.get("/plain")
    def plain():
        return {"endpoint": request.endpoint, "arguments": request.view_args}

    @routes.get("/named/<name>")
    def named(name):
        return {"name": name, "query": request.args.get("q")}

    @routes.post("/named/<name>")
    @routes.post("/text")
    def post(name=None):
        return {"name": name}

    @routes.get("/session")
    def write():
        session["seen"] = True

    app.register_blueprint(routes)
    app.head_checks = {"/text": refuse}
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def test_a_route_is_found_whatever_host_is_named(client):
    """The service is reached under many names; what follows the path is read every time."""
    answers = [
        client.get(f"/named/{name}?q={query}", headers={"Host": host}).json
        for name, query, host in (("a", "b", "x"), ("c", "d", "y:1"), ("a", "e", "not a name"))
    ]

    assert [
        {"name": "a", "query": "b"},
        {"name": "c", "query": "d"},
        {"name": "a", "query": "e"},
    ] == answers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/none", 404), ("PUT", "/plain", 405), ("POST", "/plain", 405)],
)
def test_what_matches_no_route_is_refused(client, method, path, status):
    """As Flask refuses it."""
    assert status == client.open(path, method=method).status_code


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/named/a", "/named/<name>"),
        ("POST", "/text", "/text"),
        ("POST", "/plain", None),
        ("GET", "/none", None),
    ],
)
def test_the_rule_of_a_request_is_noted(client, app, method, path, route):
    """Requests are counted by it; there is none where nothing matched."""
    noted = []
    app.teardown_request(lambda _failure: noted.append(request.environ.get(ROUTE)))
    client.open(path, method=method)

    assert [route] == noted


def test_what_a_route_allows_can_be_asked(client):
    """Flask makes that answer itself."""
    assert {"GET", "HEAD", "OPTIONS"} == set(client.options("/plain").headers["Allow"].split(", "))


@pytest.mark.parametrize("hook", ["before_request", "after_request", "teardown_request"])
def test_hooks_are_called(client, app, hook):
    """As in any application of Flask."""
    calls = []
    getattr(app, hook)(lambda *given: calls.append(hook) or (given or [None])[0])
    client.get("/plain")
    client.get("/plain")

    assert [hook, hook] == calls


def test_hooks_of_a_context_are_called(client, app):
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


def test_a_session_cannot_be_written(client, app):
    """There are none; whoever tries learns of it."""
    app.testing = True
    with pytest.raises(RuntimeError, match="session is unavailable"):
        client.get("/session")


@pytest.mark.parametrize(
    ("method", "path", "kind", "awaited"),
    [
        ("POST", "/named/a", "image/png", True),
        ("POST", "/named/\xc3\xbc", "image/png", True),
        ("POST", "/text", "text/plain", True),
        ("POST", "/text", "image/png", False),
        ("POST", "/none", "text/plain", False),
        ("POST", "/plain", "text/plain", False),
        ("PUT", "/text", "text/plain", False),
        ("GET", "/plain", "text/plain", False),
        ("OPTIONS", "/text", "text/plain", False),
        ("BREW", "/text", "text/plain", False),
    ],
)
def test_a_body_is_awaited_only_where_a_view_reads_it(app, method, path, kind, awaited):
    """What its head is refused for already is told at once."""
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_TYPE": kind}

    assert awaited == app.awaits_body(environ)
