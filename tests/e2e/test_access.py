"""Keys, limits and TLS of a running service."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys

import pytest
import requests

from app.auth.key_file import create_key
from tests.certificates import make_certificate
from tests.service import PATIENCE_S, ROOT, wait_until

ADMIN = "correct-horse-battery-staple"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def glyph_keys(path):
    """Return a function that runs the command and returns its output."""

    def run(*arguments):
        command = [sys.executable, "-m", "app", "keys", *arguments, "--file", path]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def ask():
    """Return a function that requests a prediction with a key, on a connection of its own."""

    def run(service, key):
        example = {"instances": [[0] * 784]}
        return service.predict(example, headers=bearer(key))

    return run


@pytest.fixture
def secured(start, tmp_path, path, glyph_keys):
    """Start a service that speaks TLS and wants keys; with two of them and a connection."""
    anna = glyph_keys("create", "anna")
    bob = create_key(path, "bob", limit="9/hour", days=None)
    certificate = make_certificate(tmp_path / "tls")
    service = start(
        certificate=certificate, api_keys_file=path, admin_token=ADMIN, access_log="all"
    )
    context = ssl.create_default_context(cafile=certificate.cert)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", service.port, timeout=PATIENCE_S, context=context
    )
    connection.connect()
    yield service, anna, bob, connection
    connection.close()


def test_a_service_behind_keys_and_tls(secured, path, glyph_keys, ask):
    """A connection is kept; a key opens, is limited over all workers, and is revoked meanwhile."""
    service, anna, bob, connection = secured
    example = service.get("/example").json()["instances"]
    large, small = (json.dumps({"instances": example * count}).encode() for count in (420, 1))
    headers = {"Content-Type": "application/json", "X-API-Key": anna}
    kept, labels = connection.sock, []
    for body in (small, large, small, large, small):
        connection.request("POST", "/predict", body, headers)
        answer = json.loads(connection.getresponse().read())
        labels.append({one["label"] for one in answer["predictions"]})
        assert kept is connection.sock
    assert len(large) > 2**20
    assert [{"7"}] * 5 == labels
    assert "TLSv1.3" == kept.version()

    with pytest.raises(requests.ConnectionError):
        requests.get(service.url.replace("https", "http"), timeout=PATIENCE_S)

    assert [200] * 9 + [429] * 9 == [ask(service, bob).status_code for _ in range(18)]
    assert 3000 < int(ask(service, bob).headers["Retry-After"]) <= 3600
    assert [401, 403] == [ask(service, wrong).status_code for wrong in ("glyph_x", ADMIN)]
    change = service.post("/models/mnist/pin", {"version": 1}, headers=bearer(ADMIN))
    assert 200 == change.status_code, change.text

    glyph_keys("revoke", "anna")
    carl = create_key(path, "carl", limit=None, days=None)
    wait_until(lambda: ask(service, anna).status_code == 401, "the key is revoked")
    wait_until(lambda: ask(service, carl).status_code == 200, "the new key is known")
    assert 9 == service.metric("glyph_requests_by_key_total", key="bob")
    assert {"anna", "bob", "carl"} == {line.get("key") for line in service.log_lines()} - {None}
    log = service.log.read_text()
    assert [] == [secret for secret in (anna, bob, carl, ADMIN) if secret in log]


def test_headers_of_a_stranger_are_not_believed(service):
    """Not even on this machine: neither whom it speaks for, nor which script is meant."""
    spoofed = {
        "X-Forwarded-For": "198.51.100.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Ssl": "off",
        "SCRIPT_NAME": "/elsewhere",
        "X-Request-Id": "spoofed",
    }
    answer = service.get("/nothing", headers=spoofed)

    assert 404 == answer.status_code
    line = next(line for line in service.log_lines() if line.get("request_id") == "spoofed")
    assert "127.0.0.1" == line["client"]
