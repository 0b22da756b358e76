"""Changes over HTTP: who may order them, what is understood, and what comes of them."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.host_client.commands import read_command
from app.web.http.admin_token import check_token
from app.web.http.errors import (
    BadInputError,
    DeadlineError,
    ForbiddenError,
    HostLostError,
    UnauthenticatedError,
)
from model_store.operations.commands import COMMANDS

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - made up
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OFF = (
    "changes over HTTP are turned off; "
    "set GLYPH_ADMIN_TOKEN or GLYPH_ADMIN_TOKEN_FILE to turn them on"
)
CHANGING = [
    "/models/shapes/pin",
    "/models/none/pin",
    "/models/shapes/none",
    "/v2/repository/models/shapes/load",
    "/v2/repository/models/shapes/unload",
]


@pytest.fixture
def admin(make_app):
    """Return a client of a service whose admin token is known."""
    return make_app(admin_token=TOKEN).test_client()


@pytest.fixture
def order(admin):
    """Return a function that sends a command with the token."""
    return lambda action, model="shapes", **fields: admin.post(
        f"/models/{model}/{action}", json=fields, headers=BEARER
    )


@pytest.mark.parametrize("path", CHANGING)
def test_without_the_setting_nothing_can_be_changed(client, channel, path):
    """It says how that is turned on, whatever the request holds."""
    response = client.post(path, headers=BEARER)

    assert (403, {"error": OFF, "code": "auth.forbidden"}) == (response.status_code, response.json)
    assert [] == channel.orders


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize("header", [None, "", "Basic Z2x5cGg6", "Bearer", "Bearer ", TOKEN])
def test_without_a_token_nothing_can_be_changed(admin, channel, path, header):
    """The answer names the scheme that is expected."""
    response = admin.post(path, headers={} if header is None else {"Authorization": header})

    assert (401, 'Bearer realm="glyph"') == (
        response.status_code,
        response.headers["WWW-Authenticate"],
    )
    sentence = "this changes something; the header Authorization: Bearer <admin token> is expected"
    assert {"error": sentence, "code": "auth.missing"} == response.json
    assert [] == channel.orders


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize("token", [TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\u00fc" * 20])
def test_with_another_token_nothing_can_be_changed(admin, channel, path, token):
    """Nor is anything said about the right one, or repeated."""
    response = admin.post(path, headers={"Authorization": f"Bearer {token}"})

    assert 403 == response.status_code
    assert {"error": "the admin token is wrong", "code": "auth.wrong_token"} == response.json
    assert [] == channel.orders


@given(st.text(st.characters(max_codepoint=255)))
def test_only_the_token_lets_pass(given_token):
    """Whatever else is tried."""
    environ = {"HTTP_AUTHORIZATION": f"Bearer {given_token}"}
    if given_token.strip() == TOKEN:
        check_token(environ, TOKEN)
    else:
        with pytest.raises((ForbiddenError, UnauthenticatedError)):
            check_token(environ, TOKEN)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_has_no_capitals(admin, scheme):
    """As HTTP has it."""
    headers = {"Authorization": f"{scheme} {TOKEN}"}

    assert 200 == admin.post("/models/shapes/unpin", headers=headers).status_code


def test_the_token_may_stand_in_a_file(make_app, tmp_path):
    """As secrets are mounted; a line's end is no part of it."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    client = make_app(admin_token_file=path).test_client()

    assert 200 == client.post("/models/shapes/unpin", headers=BEARER).status_code


def test_the_token_is_not_logged(admin, caplog, channel):
    """Whether it lets pass, is wrong, or something fails."""
    caplog.set_level(logging.DEBUG)
    wrong = "wrong" + TOKEN
    channel.error = ZeroDivisionError()
    for token in (TOKEN, wrong):
        admin.post("/models/shapes/unpin", headers={"Authorization": f"Bearer {token}"})
        admin.post(f"/models/shapes/{'x' * 9}", headers={"Authorization": f"Bearer {token}"})

    assert "ZeroDivisionError" in caplog.text
    assert TOKEN not in caplog.text


def test_an_order_is_carried_out_and_its_audit_line_is_the_answer(order, channel, clock, caplog):
    """The host is told what, on which version, why and by whom; it has time for that."""
    caplog.set_level(logging.INFO)
    response = order("promote", version=4, reason="better", by="anna")

    assert (200, {"generation": 7}) == (response.status_code, response.json)
    ((request, deadline),) = channel.orders
    assert {
        "action": "promote",
        "model": "shapes",
        "version": 4,
        "force": False,
        "reason": "better",
        "by": "anna@127.0.0.1",
    } == request
    assert clock.now + 30 == deadline
    assert "promote of shapes by anna@127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("action", "fields", "told"),
    [
        ("promote", {"version": 4, "force": True}, {"version": 4, "force": True}),
        ("rollback", {}, {"version": None}),
        ("rollback", {"version": 2}, {"version": 2}),
        ("pin", {"version": 2}, {"version": 2}),
        ("unpin", {}, {}),
        ("quarantine", {"version": 2}, {"version": 2}),
        ("release", {"version": 2}, {"version": 2}),
        (
            "label",
            {"label": "blue", "version": 2},
            {"label": "blue", "version": 2, "force": False},
        ),
        (
            "label",
            {"label": "blue", "version": None},
            {"label": "blue", "version": None, "force": False},
        ),
        (
            "canary",
            {"percent": 10, "version": 4, "sticky_header": "X-User"},
            {
                "label": "canary",
                "percent": 10,
                "version": 4,
                "sticky_header": "X-User",
                "force": False,
            },
        ),
        (
            "canary",
            {"percent": 0},
            {
                "label": "canary",
                "percent": 0,
                "version": None,
                "sticky_header": None,
                "force": False,
            },
        ),
        (
            "shadow",
            {"percent": 0.5, "label": "next"},
            {"label": "next", "percent": 0.5, "version": None, "force": False},
        ),
        ("policy", {"policy": "latest:3"}, {"policy": "latest:3"}),
        ("policy", {"policy": None}, {"policy": None}),
        ("load", {}, {}),
        ("unload", {}, {}),
    ],
)
def test_every_action_is_understood(order, channel, action, fields, told):
    """Each with the fields that it takes; whoever orders it is known by the address at least."""
    assert 200 == order(action, **fields).status_code

    ((request, _),) = channel.orders
    nobody = {"reason": None, "by": "http@127.0.0.1"}
    assert {"action": action, "model": "shapes", **nobody, **told} == request


@pytest.mark.parametrize(
    ("action", "fields", "sentence"),
    [
        ("pin", {}, "field version: field required; it takes by, reason, version"),
        ("unpin", {"version": 3}, "field version: extra inputs are not permitted; it takes by, re"),
        ("pin", {"version": "3"}, "field version: input should be a valid integer (found '3')"),
        ("pin", {"version": None}, "field version: input should be a valid integer (found 'None'"),
        ("pin", {"version": 0}, "field version: input should be greater than or equal to 1"),
        (
            "pin",
            {"version": 10**18},
            "field version: input should be less than 1000000000000000000",
        ),
        ("pin", {"version": 3, "by": "a b"}, "field by: string should match pattern"),
        (
            "pin",
            {"version": 3, "reason": "x" * 501},
            "field reason: string should have at most 500",
        ),
        ("label", {"label": "blue"}, "field version: field required; it takes by, force, label"),
        ("label", {"label": "no/way", "version": 1}, "field label: string should match pattern"),
        ("canary", {"percent": 101}, "field percent: input should be less than or equal to 100"),
        ("canary", {"percent": -1}, "field percent: input should be greater than or equal to 0"),
        ("canary", {"percent": 1, "sticky_header": "a b"}, "field sticky_header: string should"),
        ("shadow", {"percent": 1, "sticky_header": "X"}, "field sticky_header: extra inputs"),
        ("policy", {"policy": "newest"}, "field policy: string should match pattern"),
    ],
)
def test_a_wrong_order_is_refused(order, channel, action, fields, sentence):
    """The field, what was found and what is expected; the host is not asked."""
    response = order(action, **fields)

    assert 400 == response.status_code
    assert sentence in response.json["error"]
    assert response.json["field"] == sentence.split()[1].rstrip(":")
    assert [] == channel.orders


@pytest.mark.parametrize("body", [b"[]", b"no", b"{", b'"x"', b"\xff"])
def test_what_is_no_object_is_refused(admin, body):
    """In a sentence about the body."""
    response = admin.post("/models/shapes/unpin", data=body, headers=BEARER)

    assert 400 == response.status_code
    assert response.json["error"].startswith("the body: ")


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=40))
def test_any_body_is_an_order_or_refused(action, body):
    """Nothing else comes of it."""
    try:
        read_command(body, COMMANDS[action])
    except BadInputError as exc:
        assert len(str(exc)) < 400  # noqa: PT017 - some are orders


@given(
    st.dictionaries(
        st.sampled_from(["version", "label", "percent", "force", "policy", "reason", "by"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    )
)
def test_a_pin_holds_a_version_or_is_refused(fields):
    """Whatever stands in the fields."""
    try:
        command = read_command(json.dumps(fields).encode(), COMMANDS["pin"])
    except BadInputError:
        return
    assert fields["version"] is not True
    assert 1 <= command.version < 10**18


def test_an_order_is_bounded(admin, channel):
    """16 KiB are plenty."""
    body = b'{"reason": "%b"}' % (b"x" * 2**14)
    response = admin.post("/models/shapes/unpin", data=body, headers=BEARER)

    assert 413 == response.status_code
    sentence = "the body is larger than 16384 bytes; an order is a few fields"
    assert {"error": sentence, "code": "body.too_large", "limit": 16384} == response.json
    assert [] == channel.orders


def test_an_unknown_action_is_not_found(order):
    """The sentence lists those that there are."""
    response = order("explode")

    assert 404 == response.status_code
    actions = (
        "promote, rollback, pin, unpin, quarantine, release, label, canary, shadow, policy, "
        "load, unload"
    )
    sentence = f"there is no action 'explode'; actions: {actions}"
    assert {"error": sentence, "code": "control.unknown_action"} == response.json


def test_an_unknown_model_is_not_found(order, channel):
    """And is told from one that is there."""
    response = order("unpin", model="none")

    assert 404 == response.status_code
    sentence = "there is no model 'none'; models: shapes"
    assert {"error": sentence, "code": "model.not_found"} == response.json
    assert [] == channel.orders


def test_a_refusal_of_the_store_is_told(order, channel):
    """The sentence is the host's."""
    channel.outcome = {"ok": False, "error": "version 9 has not passed a trial", "change": None}
    response = order("promote", version=9)

    assert 409 == response.status_code
    sentence = "version 9 has not passed a trial"
    assert {"error": sentence, "code": "control.conflict"} == response.json


def test_a_store_that_is_away_is_no_conflict(order, channel):
    """The same order may succeed later, and the answer says when to try again."""
    channel.outcome = {
        "ok": False,
        "error": "the store does not answer",
        "change": None,
        "unavailable": True,
    }
    response = order("unpin")

    assert (503, "5") == (response.status_code, response.headers["Retry-After"])
    assert {"error": "the store does not answer", "code": "store.unavailable"} == response.json


def test_a_host_that_does_not_answer_may_have_made_the_change(order, channel):
    """So that nobody orders it twice without looking."""
    channel.error = DeadlineError("no answer")
    response = order("unpin")

    assert 504 == response.status_code
    assert {
        "error": "the model host has not answered in time; "
        "the change may still be made; see GET /models/shapes",
        "code": "deadline.exceeded",
    } == response.json


def test_a_host_that_is_away_changes_nothing(order, channel):
    """It is told as for a prediction."""
    channel.error = HostLostError("the model host is away")

    assert 503 == order("unpin").status_code


def test_a_caller_may_set_the_deadline(admin, channel, clock):
    """In the same header as for a prediction."""
    headers = BEARER | {"X-Request-Timeout-Ms": "250"}
    admin.post("/models/shapes/unpin", headers=headers)

    assert clock.now + 0.25 == channel.orders[0][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_optional_field_may_be_null(name):
    """It is as good as missing; where a field must be given, null says something or is refused."""
    kind = COMMANDS[name]
    needed = {field for field, about in kind.model_fields.items() if about.is_required()}
    given = {"version": 3, "label": "next", "percent": 1, "policy": "latest"}
    without = {field: value for field, value in given.items() if field in needed}
    nulls = without | dict.fromkeys(kind.model_fields.keys() - needed)

    read = [read_command(json.dumps(body).encode(), kind) for body in (without, nulls)]

    assert read[0] == read[1]


def test_null_for_what_is_not_known_is_refused():
    """It is a slip all the same."""
    with pytest.raises(BadInputError, match="field whom"):
        read_command(b'{"whom": null}', COMMANDS["unpin"])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_description_lets_optional_fields_be_null(name):
    """And keeps what they are else."""
    kind = COMMANDS[name]
    schema = kind.model_json_schema()

    nullable = {
        field for field, of in schema["properties"].items() if {"type": "null"} in _kinds(of)
    }
    assert kind.model_fields.keys() - set(schema.get("required", ())) <= nullable
    assert all(len(_kinds(of)) > 1 for of in schema["properties"].values() if "anyOf" in of)


def _kinds(schema):
    return schema.get("anyOf", [schema])
