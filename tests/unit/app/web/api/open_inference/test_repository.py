"""The repository extension of the Open Inference Protocol."""

from __future__ import annotations

import pytest

from app.ipc.status import HostStatus
from app.web.api.open_inference.repository import repository_blueprint
from app.web.http.environ import REQUEST_ID, STARTED
from app.web.http.error_handlers import register_errors
from app.web.http.flask_app import FlaskApp

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - made up
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Pauses:
    """Counts what would be waited; something may happen meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        self.happens = lambda: None

    def __call__(self, _seconds: float) -> None:
        self.count += 1
        self.happens()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def post(channel, pauses):
    """Return a function that posts to the repository, by default with the token."""
    app = FlaskApp("repository", static_folder=None)
    register_errors(app)
    app.register_blueprint(repository_blueprint(channel, TOKEN, pauses))
    client = app.test_client()
    environ = {STARTED: 100.0, REQUEST_ID: "1"}

    def run(path, headers=BEARER, **options):
        return client.post(
            f"/v2/repository/{path}", headers=headers, environ_overrides=environ, **options
        )

    return run


@pytest.fixture
def tell(channel):
    """Return a function that changes the status of the only model."""

    def run(**changes):
        channel.status = HostStatus.of(channel.status.default.model_copy(update=changes))

    return run


def entry(name, version, state, reason=""):
    """Return a line of the index."""
    return {"name": name, "version": version, "state": state, "reason": reason}


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"ready": false}', b'{"ready": null}', b'{"other": null}']
)
def test_the_index_lists_every_version(post, body):
    """With the protocol's states; it changes nothing and needs no token."""
    response = post("index", headers={}, data=body)

    assert 200 == response.status_code
    assert [
        entry("shapes", "6", "LOADING"),
        entry("shapes", "5", "UNAVAILABLE", "golden image 2: NaN"),
        entry("shapes", "4", "READY"),
        entry("shapes", "3", "READY"),
        entry("shapes", "2", "UNLOADING"),
        entry("wide", "1", "READY"),
        {"name": "empty", "state": "UNAVAILABLE", "reason": "it is unloaded"},
    ] == response.json


@pytest.mark.usefixtures("two_models")
def test_the_index_of_what_is_ready(post):
    """Only what can be asked for predictions."""
    assert [
        entry("shapes", "4", "READY"),
        entry("shapes", "3", "READY"),
        entry("wide", "1", "READY"),
    ] == post("index", json={"ready": True}).json


def test_the_index_of_a_model_that_is_being_looked_for(post, tell):
    """No version is known yet."""
    tell(versions=(), ready=False, starting=True, default=None, reason="being looked for")

    assert [{"name": "shapes", "state": "LOADING", "reason": "being looked for"}] == (
        post("index").json
    )


@pytest.mark.parametrize("body", [b"[]", b'{"ready": "yes"}', b"{"])
def test_a_wrong_index_request_is_refused(post, body):
    """In the shape that the protocol gives errors."""
    response = post("index", data=body)

    assert (400, {"error", "code"}) == (response.status_code, set(response.json) - {"field"})


@pytest.mark.parametrize("action", ["load", "unload"])
def test_a_model_is_loaded_and_unloaded(post, channel, action):
    """Nothing but the status is the answer, and the audit trail has it."""
    response = post(f"models/shapes/{action}")

    assert (200, b"") == (response.status_code, response.data)
    ((request, deadline),) = channel.orders
    assert {
        "action": action,
        "model": "shapes",
        "by": "http@127.0.0.1",
        "reason": "asked for by the repository API",
    } == request
    assert 130.0 == deadline


def test_a_load_ends_when_the_model_serves(post, channel, tell, pauses):
    """Clients ask for predictions right after it."""
    tell(ready=False, reason="unloaded")
    pauses.happens = lambda: tell(ready=False, starting=True) if pauses.count == 2 else None

    assert 200 == post("models/shapes/load").status_code
    assert 2 == pauses.count
    assert [130.0] == channel.waits


def test_a_load_that_brings_nothing_fails(post, tell, pauses):
    """With the model's own reason, and not at the deadline."""
    tell(ready=False, reason="every version was refused: version 4: NaN")
    response = post("models/shapes/load")

    assert 503 == response.status_code
    sentence = "every version was refused: version 4: NaN"
    assert {"error": sentence, "code": "model.not_ready"} == response.json
    assert 40 == pauses.count


@pytest.mark.parametrize("action", ["load", "unload"])
def test_a_refused_change_is_told(post, channel, action):
    """Nothing is waited for."""
    channel.outcome = {"ok": False, "error": "the store cannot be written", "change": None}
    response = post(f"models/shapes/{action}")

    assert 409 == response.status_code
    assert {"error": "the store cannot be written", "code": "control.conflict"} == response.json


def test_what_clients_send_to_unload_is_understood(post, channel):
    """No model depends on another."""
    body = {"parameters": {"unload_dependents": True, "config": None}}

    assert 200 == post("models/shapes/unload", json=body).status_code
    assert 1 == len(channel.orders)


@pytest.mark.parametrize("parameter", ["config", "file:1/model.onnx"])
def test_a_parameter_that_would_be_ignored_is_refused(post, channel, parameter):
    """A caller who sends a configuration wants it used."""
    response = post("models/shapes/load", json={"parameters": {parameter: "{}"}})

    assert 400 == response.status_code
    sentence = f"parameter {parameter!r} is not one that load takes"
    assert {"error": sentence, "code": "request.parameter"} == response.json
    assert [] == channel.orders


@pytest.mark.parametrize("action", ["load", "unload"])
def test_an_unknown_model_is_not_found(post, channel, action):
    """The sentence lists what there is."""
    response = post(f"models/none/{action}")

    assert 404 == response.status_code
    sentence = "there is no model 'none'; models: shapes"
    assert {"error": sentence, "code": "model.not_found"} == response.json
    assert [] == channel.orders


@pytest.mark.parametrize("action", ["load", "unload"])
@pytest.mark.parametrize("body", [b'{"parameters": null}', b'{"parameters": {"x": null}}'])
def test_null_is_as_good_as_nothing(post, channel, action, body):
    """As clients write it for what they do not give."""
    response = post(f"models/shapes/{action}", data=body)

    assert 200 == response.status_code, response.text
    assert [action] == [order["action"] for order, _ in channel.orders]
