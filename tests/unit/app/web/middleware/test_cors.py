"""Which pages of other origins may use the service."""

from __future__ import annotations

import pytest

from app.auth.key_file import create_key

PAGE = "https://app.example"
ALLOW = "Access-Control-Allow-"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}


@pytest.fixture
def path(tmp_path):
    create_key(tmp_path / "keys.json", "anna", limit=None, days=None)
    return tmp_path / "keys.json"


@pytest.fixture
def make_client(make_app):
    return lambda origins, **settings: make_app(cors_origins=origins, **settings).test_client()


def cors(answer):
    """Take what browsers read out of an answer."""
    return {k: v for k, v in answer.headers.items() if k.startswith(ALLOW) or k == "Vary"}


def test_it_is_closed_by_default(client):
    """A browser keeps the answer from the page."""
    assert {} == cors(client.get("/models", headers={"Origin": PAGE}))
    assert {} == cors(client.options("/predict", headers={"Origin": PAGE} | PREFLIGHT))


@pytest.mark.parametrize("origin", [PAGE, "HTTPS://App.Example"])
def test_a_page_of_a_listed_origin_may_read_answers(make_client, origin):
    """However it is written; caches keep answers for others apart."""
    answer = make_client(f"http://127.0.0.1:8080,{PAGE}").get("/models", headers={"Origin": origin})

    assert {f"{ALLOW}Origin": PAGE, "Vary": "Origin"} == cors(answer)
    assert "Glyph-Version" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "https://app.example.evil"},
        {"Origin": "https://app.example:444"},
        {"Origin": "http://app.example"},
        {"Origin": "null"},
    ],
)
def test_another_page_may_not(make_client, headers):
    """Whatever is like a listed one."""
    client = make_client(PAGE)

    assert {"Vary": "Origin"} == cors(client.get("/models", headers=headers))
    assert {"Vary": "Origin"} == cors(client.options("/predict", headers=headers | PREFLIGHT))


def test_every_page_may_where_that_is_set(make_client):
    """A star, for requests without an origin, too."""
    client = make_client("*")

    assert [{f"{ALLOW}Origin": "*"}] * 2 == [
        cors(client.get("/models", headers=headers)) for headers in ({}, {"Origin": PAGE})
    ]


def test_a_browser_asks_beforehand(make_client, path, channel):
    """Without a key, which it does not send then."""
    client = make_client(PAGE, api_keys_file=path)
    answer = client.options("/predict", headers={"Origin": PAGE} | PREFLIGHT)

    assert (204, b"") == (answer.status_code, answer.data)
    assert (PAGE, "POST, GET", "600") == (
        answer.headers[f"{ALLOW}Origin"],
        answer.headers[f"{ALLOW}Methods"],
        answer.headers["Access-Control-Max-Age"],
    )
    takes = answer.headers[f"{ALLOW}Headers"].split(", ")
    assert {"Content-Type", "Authorization", "X-API-Key", "X-Request-Timeout-Ms"} <= set(takes)
    assert [] == channel.asked


def test_a_stranger_that_asks_beforehand_needs_a_key(make_client, path):
    """Nothing is said to it."""
    client = make_client(PAGE, api_keys_file=path)
    answer = client.options("/predict", headers={"Origin": "https://evil.example"} | PREFLIGHT)

    assert (401, {"Vary": "Origin"}) == (answer.status_code, cors(answer))


def test_other_questions_about_options_are_the_applications(make_client):
    """It says which methods there are."""
    answer = make_client("*").options("/predict", headers={"Origin": PAGE})

    assert (200, True) == (answer.status_code, "POST" in answer.headers["Allow"])


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda client: client.post("/predict", headers={"Origin": PAGE}), 401),
        (lambda client: client.get("/nothing", headers={"Origin": PAGE}), 401),
        (lambda client: client.post("/healthz", headers={"Origin": PAGE}), 405),
        (lambda client: client.get("/example", headers={"Origin": PAGE}), 500),
    ],
    ids=["no key", "no route", "method", "failure"],
)
def test_a_page_may_read_errors(make_client, path, channel, ask, status):
    """It could not tell its user what is wrong, else."""
    channel.error = ZeroDivisionError()
    answer = ask(make_client(PAGE, api_keys_file=path))

    assert (status, PAGE) == (answer.status_code, answer.headers[f"{ALLOW}Origin"])


def test_a_page_may_read_that_it_is_limited(make_client):
    """And when to come again."""
    client = make_client(PAGE, rate_limit="1/minute")
    answers = [client.get("/models", headers={"Origin": PAGE}) for _ in range(2)]

    assert (429, PAGE) == (answers[1].status_code, answers[1].headers[f"{ALLOW}Origin"])
    assert "Retry-After" in answers[1].headers["Access-Control-Expose-Headers"]


AS_TFS = {
    f"{ALLOW}Origin": "*",
    f"{ALLOW}Methods": "POST, GET",
    f"{ALLOW}Headers": "Content-Type",
}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path_", ["/v1/models/shapes", "/V1/models/shapes:predict", "/v1"])
def test_tensorflow_servings_routes_answer_as_it_does(make_client, method, path_):
    """Every answer has the three headers."""
    answer = make_client("*").open(path_, method=method, headers={"Origin": PAGE})

    assert AS_TFS == cors(answer)


def test_tensorflow_serving_answers_options_itself(make_client):
    """With 200 and nothing else, whatever the browser asks for."""
    answer = make_client("*").options("/v1/models/shapes:predict", headers={"Origin": PAGE})

    assert (200, b"") == (answer.status_code, answer.data)


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "file://"}])
def test_tensorflow_serving_refuses_options_that_no_page_sends(make_client, headers):
    """Only pages have an origin of the web."""
    answer = make_client("*").options("/v1/models/shapes:predict", headers=headers)

    assert 400 == answer.status_code
    assert "OPTIONS without the Origin of a page; http(s) is expected" == answer.json["error"]


def test_with_keys_pages_may_send_them_to_tensorflow_servings_routes(make_client, path):
    """Or they could not ask anything."""
    answer = make_client("*", api_keys_file=path).options("/v1/a", headers={"Origin": PAGE})

    assert "Content-Type, Authorization, X-API-Key" == answer.headers[f"{ALLOW}Headers"]


def test_tensorflow_servings_routes_keep_to_the_list(make_client):
    """Not everybody's because that server says so."""
    client = make_client(PAGE)
    listed = client.options("/v1/a", headers={"Origin": PAGE})
    stranger = client.options("/v1/a", headers={"Origin": "https://evil.example"})

    assert (200, PAGE) == (listed.status_code, listed.headers[f"{ALLOW}Origin"])
    assert {"Vary": "Origin"} == cors(stranger)
