"""Errors have one shape, on every path and status."""

from __future__ import annotations

import pytest
from flask import abort


class SecretError(Exception):
    """What a bug might raise."""


@pytest.fixture
def client(make_app):
    """An application with two routes that fail."""
    app = make_app()

    @app.get("/bug")
    def bug():
        raise SecretError("the password is swordfish")

    @app.get("/teapot")
    def teapot():
        abort(418)

    return app.test_client()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_404(client, method):
    """The path is named, and where to look."""
    response = client.open("/v3/models/<b>", method=method)

    assert 404 == response.status_code
    assert "application/json" == response.headers["Content-Type"]
    sentence = "there is no /v3/models/<b>; GET / lists what is here"
    assert {"error": sentence, "code": "route.not_found"} == response.json


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_405(client, method, path, allowed):
    """What is allowed is told to people in the sentence and to programs in Allow."""
    response = client.open(path, method=method)

    names = ", ".join(sorted(allowed))
    sentence = f"{method} is not allowed on {path}; allowed: {names}"
    assert 405 == response.status_code
    assert {"error": sentence, "code": "method.not_allowed"} == response.json
    assert allowed == set(response.headers["Allow"].split(", "))


def test_every_other_http_error_has_the_shape(client):
    """What Flask and werkzeug raise on their own is no HTML either."""
    response = client.get("/teapot")

    assert (418, ["error", "code"]) == (response.status_code, list(response.json))


def test_a_bug_tells_no_internals(client):
    """The caller gets an id; the log has the exception under it."""
    response = client.get("/bug", headers={"X-Request-Id": "abc-1"})

    assert 500 == response.status_code
    assert {
        "error": "something unexpected went wrong; the log has it under this request id",
        "code": "internal",
        "request_id": "abc-1",
    } == response.json
    assert "abc-1" == response.headers["X-Request-Id"]


def test_a_bug_is_logged_with_its_traceback(client, caplog):
    """Under the request's id."""
    client.get("/bug", headers={"X-Request-Id": "abc-1"})

    record = next(r for r in caplog.records if r.name == "app.web.http.error_handlers")
    assert ("ERROR", "abc-1") == (record.levelname, record.request_id)
    assert "unexpected failure on /bug" == record.message
    assert SecretError is record.exc_info[0]


@pytest.mark.parametrize("path", ["/nothing", "/bug", "/teapot", "/predict", "/healthz"])
def test_every_answer_has_an_id_and_is_not_sniffed(client, path):
    """Errors too."""
    headers = client.get(path).headers

    assert ("nosniff", 16) == (headers["X-Content-Type-Options"], len(headers["X-Request-Id"]))
