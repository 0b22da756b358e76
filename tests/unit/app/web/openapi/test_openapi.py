"""The description says what the service does: nothing more, nothing less, and nothing else."""

from __future__ import annotations

import re
from copy import deepcopy

import jsonschema_rs
import pytest
import schemathesis

from app.auth.key_file import create_key
from app.ipc.status import CanaryStatus, HostStatus
from app.web.api.native.predict import DECODERS
from app.web.http import errors
from app.web.http.errors import ServiceError
from app.web.openapi.error_responses import ERRORS
from app.web.prediction.query_options import FIELDS

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - made up
CHANGE = {
    "schema_version": 1,
    "generation": 7,
    "at": "2026-01-01T00:00:00Z",
    "by": "anna@127.0.0.1",
    "action": "pin",
    "version": 3,
    "label": None,
    "reason": None,
    "control": {
        "policy": None,
        "pinned": 3,
        "labels": {"stable": 3},
        "quarantined": {
            "5": {"digest": None, "reason": "NaN", "at": "2026-01-01T00:00:00Z", "by": "x"}
        },
        "passed": {"3": "ab" * 32},
        "canary": {"label": "canary", "percent": 10.0, "sticky_header": None},
        "shadow": None,
        "unloaded": False,
    },
}


@pytest.fixture
def admin(make_app, channel):
    """Return a client of a service that can be changed."""
    channel.outcome = {"ok": True, "error": None, "change": CHANGE}
    return make_app(admin_token=TOKEN, max_images=4, max_body_bytes=2048).test_client()


@pytest.fixture
def document(admin):
    return admin.get("/openapi.json").json


def operations(document):
    """Return method, path and description of every operation."""
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def closed(schema):
    """Forbid fields that are not described, at any depth."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def check(document, response, described):
    """Compare an answer with what is described, to the last field."""
    described = described["responses"][str(response.status_code)]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    content = described.get("content", {})
    assert not content or response.mimetype in content
    assert set(described.get("headers", {})) <= set(response.headers.keys())
    if content and response.mimetype == "application/json":
        schema = content["application/json"]["schema"]
        whole = closed(schema | {"components": document["components"]})
        jsonschema_rs.validate(whole, response.json)


def place(path, document_path):
    """Fill in a path's names."""
    values = {"name": "shapes", "version": "3", "label": "stable"}
    return re.sub(r"\{([a-z]+)\}", lambda found: values[found[1]], document_path or path)


def test_it_is_a_valid_document(document):
    """By the schema of OpenAPI 3.1 itself."""
    schemathesis.openapi.from_dict(deepcopy(document)).validate()

    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_route_is_described_and_every_description_has_a_route(admin, document):
    """In both directions.

    Only the files that the pages are made of are left out, and what is no route of TensorFlow
    Serving's, or is one in another case.
    """
    router = admin.application.url_map.bind("")
    described = {
        f"{method} {router.match(place('', path), method, return_rule=True)[0].rule}"
        for method, path, _ in operations(document)
    }

    there = {
        f"{method} {rule.rule}"
        for rule in admin.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if "<rest:" not in rule.rule
    }
    files = {"GET /static/<path:path>", "GET /favicon.ico", "GET /robots.txt"}
    assert there - files == described


def test_every_refusal_is_described():
    """Each class of error by its status, with the headers that it comes with."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, ServiceError) and kind is not ServiceError]

    assert {kind.status for kind in kinds} == set(ERRORS)
    for kind in kinds:
        headers = {name for name, _ in kind("no").headers()} - {"Content-Type"}
        assert headers <= set(ERRORS[kind.status].headers)


@pytest.mark.usefixtures("two_models")
def test_every_example_works_as_it_is(admin):
    """Each body is taken, and its answer is as described."""
    document = admin.get("/openapi.json").json
    tried = 0
    for method, path, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for body in [content[key] for key in ("example",) if key in content]:
                token = {"Authorization": f"Bearer {TOKEN}"} if "security" in operation else {}
                response = admin.open(place("", path), method=method, json=body, headers=token)

                assert 200 == response.status_code, (path, media_type, response.text)
                check(document, response, operation)
                tried += 1
    assert 17 <= tried


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_every_answer_to_get_is_as_described(admin, channel, accept):
    """To the last field, with models and versions in every state."""
    shapes, *others = channel.status.models
    canary = CanaryStatus(version=4, label="canary", percent=10, sticky_header="X-User")
    shapes = shapes.model_copy(update={"canary": canary, "shadow": canary})
    channel.status = HostStatus.of(shapes, *others)
    document = admin.get("/openapi.json").json
    asked = [(p, o) for method, p, o in operations(document) if method == "GET"]
    for path, operation in asked:
        response = admin.get(place("", path), headers={"Accept": accept})

        assert 200 == response.status_code, path
        check(document, response, operation)
    assert 10 <= len(asked)


def test_why_the_service_is_not_ready_is_as_described(client, channel):
    """With its versions."""
    down = channel.status.default.model_copy(update={"ready": False, "reason": "every one failed"})
    channel.status = HostStatus.of(down)
    document = client.get("/openapi.json").json
    response = client.get("/readyz")

    assert 503 == response.status_code
    check(document, response, document["paths"]["/readyz"]["get"])


def test_every_kind_of_body_is_described(document):
    """And no other."""
    body = document["paths"]["/predict"]["post"]["requestBody"]

    assert set(DECODERS) == set(body["content"])


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize("query", ["?top_k=2", f"?fields={','.join(FIELDS)}", "?fields=notes"])
def test_answers_of_chosen_fields_are_as_described(client, query):
    """Every field there is."""
    document = client.get("/openapi.json").json
    response = client.post(f"/predict{query}", json=client.get("/example").json)

    assert 200 == response.status_code
    check(document, response, document["paths"]["/predict"]["post"])


def test_bounds_are_those_of_the_settings(make_app):
    """What is described is what is refused."""
    document = make_app(max_images=3, max_body_bytes=4096).test_client().get("/openapi.json").json

    assert 3 == document["components"]["schemas"]["Images"]["properties"]["instances"]["maxItems"]
    assert "At most 3 images and 4096 bytes" in document["paths"]["/predict"]["post"]["description"]


def test_bounds_of_orders_are_those_that_are_checked(document):
    """Of versions, for example."""
    version = document["components"]["schemas"]["PinOrder"]["properties"]["version"]

    assert (1, 10**18) == (version["minimum"], version["exclusiveMaximum"])


def test_it_says_whether_anything_can_be_changed(client, document):
    """Without a token nobody needs to try."""
    schemes = [
        d["components"]["securitySchemes"] for d in (client.get("/openapi.json").json, document)
    ]

    assert [True, False] == [
        "nothing can be changed" in s["adminToken"]["description"] for s in schemes
    ]


@pytest.mark.usefixtures("two_models")
def test_images_are_of_the_sizes_that_serve(client):
    """Those of the default model first, and its golden image as the example."""
    document = client.get("/openapi.json").json
    forms = document["components"]["schemas"]["Image"]["anyOf"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]

    assert [(2, 2), (1, 3)] == [
        (rows["minItems"], rows["items"]["maxItems"])
        for rows in forms
        if rows["items"]["type"] == "array" and rows["items"]["items"]["type"] == "integer"
    ]
    assert {"instances": [[[2, 0], [255, 7]]]} == body["example"]


def test_no_more_classes_can_be_asked_for_than_there_are(document):
    """Of the version with the most."""
    parameters = document["paths"]["/predict"]["post"]["parameters"]
    bounds = {p["name"]: p["schema"].get("maximum") for p in parameters}

    assert 3 == bounds["top_k"]


def test_it_follows_what_serves(client, channel):
    """Without a version there is no size and no example, and it is valid all the same."""
    client.get("/openapi.json")
    channel.status = HostStatus.away("shapes", "it is being replaced", starting=True)
    document = client.get("/openapi.json").json
    schemathesis.openapi.from_dict(deepcopy(document)).validate()

    assert "anyOf" not in document["components"]["schemas"]["Image"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert "example" not in body


def test_who_has_it_need_not_be_sent_it_again(client):
    """By its digest."""
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert ("no-cache", 304, b"") == (first.headers["Cache-Control"], again.status_code, again.data)


def test_the_pages_take_everything_from_here(client):
    """Their policy lets in nothing inline and nothing from elsewhere, and their files are here."""
    page = client.get("/docs")
    policy = dict(
        part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; ")
    )

    assert ("'none'", "'self'", "'self'", "'self'") == tuple(
        policy[kind] for kind in ("default-src", "script-src", "style-src", "connect-src")
    )
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert 5 <= len(links)
    assert [200] * len(links) == [client.get(link).status_code for link in links]


@pytest.fixture
def keys(tmp_path):
    create_key(tmp_path / "keys.json", "anna", limit=None, days=None)
    return tmp_path / "keys.json"


def test_it_says_what_needs_a_key(make_app, keys):
    """As the door does: a key in either header, or for looking, the admin token."""
    client = make_app(api_keys_file=keys, admin_token=TOKEN).test_client()
    document = client.get("/openapi.json").json

    assert {"adminToken", "apiKey", "bearerKey"} == set(document["components"]["securitySchemes"])
    for method, path, operation in operations(document):
        asked = {name for scheme in operation.get("security", ()) for name in scheme}
        refused = client.open(re.sub(r"{[a-z]+}", "x", path), method=method).status_code == 401
        assert refused is bool(asked), (method, path)
        if "apiKey" in asked:
            assert {"401", "403", "429", "503"} <= set(operation["responses"])
            assert ("adminToken" in asked) is (method == "GET" or path == "/v2/repository/index")
        elif asked:
            assert {"adminToken"} == asked
            assert "429" in operation["responses"]


def test_it_says_what_is_limited(make_app, client):
    """And of keys nothing, where there are none."""
    limited = make_app(rate_limit="1/minute").test_client().get("/openapi.json").json
    models = [d["paths"]["/models"]["get"] for d in (limited, client.get("/openapi.json").json)]

    assert [True, False] == ["429" in operation["responses"] for operation in models]
    assert not any("security" in operation for operation in models)
    assert {"adminToken"} == set(limited["components"]["securitySchemes"])
