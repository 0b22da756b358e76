"""Who is let in: keys, limits, and the admin token beside them."""

from __future__ import annotations

import logging
import time

import pytest

from app.auth.key_file import create_key, revoke_key
from app.config.settings import PREFIX
from app.web.middleware.clients import client_of

ADMIN = "correct-horse-battery-staple"
PIXELS = {"data": bytes([2, 0, 0, 0]), "content_type": "application/octet-stream"}
FREE = ("/", "/example", "/healthz", "/readyz", "/metrics")
CHANGE = ("/models/shapes/promote", {"version": 3})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def anna(path):
    return create_key(path, "anna", limit=None, days=None)


@pytest.fixture
def make_guarded(make_app, path, anna):  # noqa: ARG001 - the file is there
    """Return a function that builds a client of an application with keys."""
    return lambda **settings: make_app(api_keys_file=path, **settings).test_client()


@pytest.fixture
def guarded(make_guarded):
    return make_guarded(admin_token=ADMIN)


@pytest.fixture
def refused(registry):
    """Return a function that reads the number of rejections for a reason."""
    return lambda reason: registry.get_sample_value(
        "glyph_requests_refused_total", {"reason": reason}
    )


def layers_of(app):
    """Return the layers in front of an application."""
    return app.wsgi_app.gate._layers


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def error(answer):
    return answer.status_code, answer.json["error"]


@pytest.mark.parametrize("settings", [{}, {"admin_token": ADMIN}], ids=["none", "admin"])
def test_nothing_stands_before_the_application_unless_it_is_set(make_app, settings):
    """A request that is not asked for a key pays nothing for it."""
    assert [] == layers_of(make_app(**settings))


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer  {key} "},
        lambda key: {"X-API-Key": key},
        lambda key: {"X-API-Key": key, "Authorization": "Basic YW5uYTp4"},
        lambda key: {"X-API-Key": key, "Authorization": f"Bearer {ADMIN}"},
    ],
    ids=["bearer", "loosely", "header", "beside another scheme", "beside the admin token"],
)
def test_a_key_opens(guarded, anna, headers):
    """In either header."""
    answer = guarded.post("/predict", headers=headers(anna), **PIXELS)

    assert (200, 2) == (answer.status_code, answer.json["predictions"][0]["class"])


EXPECTED = "Authorization: Bearer <key>, or X-API-Key: <key>, is expected"
NO_KEY = (f"this needs an API key; {EXPECTED}", "no_key")
UNKNOWN = ("the API key is not known, or no longer", "unknown_key")


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, NO_KEY),
        ({"X-API-Key": ""}, NO_KEY),
        ({"Authorization": "Bearer "}, NO_KEY),
        ({"Authorization": "Basic x"}, NO_KEY),
        (bearer("glyph_x"), UNKNOWN),
        ({"X-API-Key": "ü"}, UNKNOWN),
        ({"X-API-Key": ADMIN}, UNKNOWN),
    ],
)
def test_without_a_key_there_are_no_predictions(guarded, channel, refused, headers, refusal):
    """The answer says what is expected; the model host is not asked."""
    sentence, reason = refusal
    answer = guarded.post("/predict", headers=headers, **PIXELS)

    assert (401, sentence) == error(answer)
    assert 'Bearer realm="glyph"' == answer.headers["WWW-Authenticate"]
    assert [] == channel.asked
    assert 1 == refused(reason)


@pytest.mark.parametrize("path_", FREE)
def test_what_is_free_needs_no_key(guarded, path_):
    """Pages, health and metrics."""
    assert 200 == guarded.get(path_).status_code


@pytest.mark.parametrize(
    ("path_", "status"),
    [
        ("/favicon.ico", 200),
        ("/robots.txt", 200),
        ("/apple-touch-icon.png", 404),
        ("/apple-touch-icon-120x120-precomposed.png", 404),
        ("/.well-known/security.txt", 404),
    ],
)
def test_what_browsers_and_crawlers_ask_for_by_themselves_needs_no_key(guarded, path_, status):
    """A 401 would tell them that the page is locked."""
    assert status == guarded.get(path_).status_code


@pytest.mark.parametrize(
    "path_",
    [
        *("/predict", "/models", "/models/shapes", "/models/shapes/example", "/v2"),
        *("/v1/models/shapes:predict", "/V1/models/shapes", "/v2/models/shapes", "/v2/healthz"),
        *("//healthz", "/healthz/", "/staticx", "/something", "/metrics/../predict"),
        *("/models/shapes/explain", "/models/shapes/predict", "/models/a/b/promote"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
def test_everything_else_needs_one(guarded, method, path_):
    """What is not there as well, so that a route of tomorrow is not open."""
    assert 401 == guarded.open(path_, method=method).status_code


def test_every_route_is_free_or_needs_a_key_or_the_admin_token(make_app, path, anna):  # noqa: ARG001
    """None is forgotten."""
    app = make_app(api_keys_file=path, admin_token=ADMIN)
    client, free = app.test_client(), set()
    for rule in app.url_map.iter_rules():
        address = rule.rule.replace("<name>", "shapes").replace("<action>", "promote")
        method = "GET" if "GET" in rule.methods else "POST"
        answer = client.open(address, method=method)
        if answer.status_code != 401:
            free.add(rule.rule)

    known = ("/docs", "/openapi.json", "/static/", "/v2/health/", "/favicon.ico", "/robots.txt")
    assert set() == {rule for rule in free - set(FREE) if not rule.startswith(known)}


def test_a_revoked_key_opens_nothing_after_a_second(guarded, path, anna, clock):
    """Without a restart."""
    before = guarded.post("/predict", headers=bearer(anna), **PIXELS).status_code
    revoke_key(path, "anna")
    clock.tick(1)

    assert (200, 401) == (
        before,
        guarded.post("/predict", headers=bearer(anna), **PIXELS).status_code,
    )


def test_an_expired_key_opens_nothing(make_guarded, path, monkeypatch, refused):
    """From the second on at which it ends."""
    key = create_key(path, "bob", limit=None, days=1)
    start = time.time()
    client = make_guarded()
    answers = []
    for seconds in (86_000, 86_402):
        monkeypatch.setattr(time, "time", lambda later=start + seconds: later)
        (guard,) = layers_of(client.application)
        monkeypatch.setattr(guard, "_now", time.time)
        answers.append(client.post("/predict", headers=bearer(key), **PIXELS))

    assert 200 == answers[0].status_code
    assert (401, "the API key has expired") == error(answers[1])
    assert 1 == refused("expired_key")


def test_keys_that_cannot_be_read_are_not_the_callers_fault(make_guarded, path, anna, refused):
    """A worker that started beside a broken file says so."""
    path.write_text("{")
    answer = make_guarded().post("/predict", headers=bearer(anna), **PIXELS)

    assert (503, "the API keys cannot be read; the log says why") == error(answer)
    assert "1" == answer.headers["Retry-After"]
    assert 1 == refused("no_keys")


@pytest.mark.parametrize(
    ("path_", "body"), [CHANGE, ("/v2/repository/models/shapes/unload", {})], ids=["ours", "V2"]
)
def test_the_admin_token_changes_without_a_key(guarded, channel, path_, body):
    """They are apart."""
    assert 200 == guarded.post(path_, json=body, headers=bearer(ADMIN)).status_code
    assert 1 == len(channel.orders)


def test_a_key_changes_nothing(guarded, channel, anna):
    """Whatever header it comes in."""
    answers = [
        guarded.post(CHANGE[0], json=CHANGE[1], headers=headers)
        for headers in (bearer(anna), {"X-API-Key": anna}, {})
    ]

    assert [403, 401, 401] == [answer.status_code for answer in answers]
    assert "the admin token is wrong" == answers[0].json["error"]
    assert [] == channel.orders


def test_the_admin_token_gets_no_predictions(guarded, channel, refused):
    """It says what does."""
    answer = guarded.post("/predict", headers=bearer(ADMIN), **PIXELS)

    assert (403, f"the admin token does not permit predictions; {EXPECTED}") == error(answer)
    assert [] == channel.asked
    assert 1 == refused("admin_token")


def test_the_admin_token_sees_what_is_here(guarded):
    """Operators look before they change something."""
    assert 200 == guarded.get("/models/shapes", headers=bearer(ADMIN)).status_code
    assert 200 == guarded.post("/v2/repository/index", headers=bearer(ADMIN)).status_code


def test_without_keys_the_admin_token_is_no_hindrance(make_app):
    """Nobody needs a key, so everybody gets predictions."""
    client = make_app(rate_limit="9/minute", admin_token=ADMIN).test_client()

    assert 200 == client.post("/predict", headers=bearer(ADMIN), **PIXELS).status_code


def test_a_key_has_a_limit(make_guarded, path, anna, clock, refused):
    """Its own, or the setting's; the answer says when it is let in again."""
    bob = create_key(path, "bob", limit="1/minute", days=None)
    client = make_guarded(rate_limit="2/hour")
    statuses = {
        key: [client.post("/predict", headers=bearer(key), **PIXELS).status_code for _ in range(3)]
        for key in (anna, bob)
    }
    clock.tick(12.25)
    answer = client.post("/predict", headers=bearer(bob), **PIXELS)

    assert {anna: [200, 200, 429], bob: [200, 429, 429]} == statuses
    assert (429, "the key bob has used up its 1/minute; try again in 48 s") == error(answer)
    assert "48" == answer.headers["Retry-After"]
    assert 4 == refused("limit")


def test_a_limit_is_over_when_its_time_is(make_guarded, anna, clock):
    """What was refused meanwhile does not count against it."""
    client = make_guarded(rate_limit="1/minute")
    statuses = []
    for seconds in (0, 30, 29, 1):
        clock.tick(seconds)
        statuses.append(client.post("/predict", headers=bearer(anna), **PIXELS).status_code)

    assert [200, 429, 429, 200] == statuses


def test_without_keys_an_address_has_a_limit(make_app):
    """Free paths are not counted, and other addresses have theirs."""
    client = make_app(rate_limit="2/minute").test_client()

    def ask(address):
        from_there = {"REMOTE_ADDR": address}
        client.get("/healthz", environ_overrides=from_there)
        return client.get("/models", environ_overrides=from_there)

    answers = [ask("192.0.2.7") for _ in range(3)]
    assert [200, 200, 429] == [answer.status_code for answer in answers]
    assert "192.0.2.7 has used up its 2/minute; try again in 60 s" == answers[2].json["error"]
    assert 200 == ask("192.0.2.8").status_code


def test_addresses_of_one_site_are_one_client(make_app):
    """In IPv6 whoever has an address has billions."""
    client = make_app(rate_limit="1/minute").test_client()
    addresses = ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1", "fe80::1%eth0")
    statuses = [
        client.get("/models", environ_overrides={"REMOTE_ADDR": address}).status_code
        for address in addresses
    ]

    assert [200, 429, 200, 200] == statuses


@pytest.mark.parametrize(
    ("address", "client_"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1", "fe80::1"),
        ("::1", "::1"),
        ("unix:", "unix:"),
        ("a:name", "a:name"),
        ("", ""),
    ],
)
def test_a_client_is_an_ipv4_address_or_a_site(address, client_):
    """However the socket writes it, and also behind a translator; a link is nobody's site."""
    assert client_ == client_of(address)


def test_ipv4_callers_of_an_ipv6_socket_have_a_limit_each(make_app):
    """They are not one site, though their addresses lie side by side there."""
    client = make_app(rate_limit="1/minute").test_client()
    statuses = [
        client.get("/models", environ_overrides={"REMOTE_ADDR": address}).status_code
        for address in ("::ffff:192.0.2.7", "::ffff:192.0.2.8", "192.0.2.7")
    ]

    assert [200, 200, 429] == statuses


def test_wrong_keys_are_limited_by_address_and_right_ones_are_let_in(make_guarded, anna, refused):
    """Right keys are counted apart, so that nobody can lock out a neighbour."""
    client = make_guarded(rate_limit="2/minute")

    def ask(key, address="192.0.2.7"):
        from_there = {"REMOTE_ADDR": address}
        headers = {"X-API-Key": key}
        return client.post("/predict", headers=headers, environ_overrides=from_there, **PIXELS)

    answers = [ask(f"glyph_{guess}") for guess in range(3)]

    assert [401, 401, 429] == [answer.status_code for answer in answers]
    sentence = "192.0.2.7 has sent more wrong keys or tokens than 2/minute; try again in 60 s"
    assert (sentence, "60") == (answers[2].json["error"], answers[2].headers["Retry-After"])
    assert 1 == refused("limit")
    assert [200, 401] == [ask(anna).status_code, ask("glyph_x", "192.0.2.8").status_code]


def test_expired_keys_are_limited_and_missing_ones_are_not(make_guarded, path, monkeypatch):
    """A request without a key guesses nothing."""
    bob = create_key(path, "bob", limit=None, days=1)
    client = make_guarded(rate_limit="1/minute")
    (guard,) = layers_of(client.application)
    monkeypatch.setattr(guard, "_now", lambda: time.time() + 90_000)

    assert [401] * 3 == [client.get("/models").status_code for _ in range(3)]
    assert [401, 429] == [client.get("/models", headers=bearer(bob)).status_code for _ in range(2)]


@pytest.mark.parametrize("keys", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize("path_", [CHANGE[0], "/v2/repository/models/shapes/unload", "/models"])
def test_guesses_of_the_admin_token_are_limited(make_app, path, anna, keys, path_):  # noqa: ARG001
    """After too many the right one is refused as well, or guessing would only be slower to read."""
    settings = {"api_keys_file": path} if keys else {}
    client = make_app(admin_token=ADMIN, rate_limit="2/minute", **settings).test_client()
    method = "GET" if path_ == "/models" else "POST"
    guesses = [bearer(f"guess-{n}-of-a-token") for n in range(3)]
    answers = [client.open(path_, method=method, headers=headers) for headers in guesses]

    wrong = 403 if method == "POST" else (401 if keys else 200)
    assert [wrong, wrong, 429] == [answer.status_code for answer in answers]
    assert 429 == client.open(path_, method=method, headers=bearer(ADMIN)).status_code
    elsewhere = {"REMOTE_ADDR": "192.0.2.8"}
    told = client.get("/models", headers=bearer(ADMIN), environ_overrides=elsewhere)
    assert 200 == told.status_code


def test_a_token_beside_a_key_is_no_guess(make_guarded, anna):
    """It may be meant for a proxy; whether it is right shows in nothing."""
    client = make_guarded(rate_limit="2/minute", admin_token=ADMIN)
    both = [{"X-API-Key": anna} | bearer(token) for token in (ADMIN, "x", ADMIN)]

    assert [200, 200, 429] == [client.get("/models", headers=one).status_code for one in both]


def test_the_admin_is_not_limited(make_app):
    """Who has to mend something is let in."""
    client = make_app(rate_limit="1/minute", admin_token=ADMIN).test_client()

    assert [200] * 3 == [client.get("/models", headers=bearer(ADMIN)).status_code for _ in range(3)]


def test_the_name_is_logged_and_counted_and_the_key_is_not(make_guarded, anna, registry, caplog):
    """Anywhere."""
    caplog.set_level(logging.DEBUG)
    client = make_guarded(access_log="all")
    client.post("/predict", headers=bearer(anna), **PIXELS)
    client.post("/predict", headers=bearer(anna[:-1]), **PIXELS)

    name = "app.web.middleware.request_log"
    good, bad = [record for record in caplog.records if record.name == name]
    assert ("anna", False) == (good.key, hasattr(bad, "key"))
    assert 1 == registry.get_sample_value("glyph_requests_by_key_total", {"key": "anna"})
    assert anna[:-1] not in f"{caplog.text} {[vars(r) for r in caplog.records]}"


def test_a_failure_behind_the_door_is_not_the_guards(guarded, channel, anna):
    """It is answered as ever."""
    channel.error = ZeroDivisionError()
    answer = guarded.post("/predict", headers=bearer(anna), **PIXELS)

    assert 500 == answer.status_code


def test_the_sentences_name_what_must_be_set(make_app):
    """Nothing is asked of callers where nothing is set."""
    client = make_app().test_client()

    assert PREFIX in client.post(CHANGE[0], json={}).json["error"]
    assert [] == layers_of(client.application)
