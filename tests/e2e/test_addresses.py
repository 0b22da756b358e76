"""A service that listens in several places: whom it takes its callers for, and what it leaves."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from tests.service import ROOT, Service, free_port


class Unix(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path):
        super().__init__("glyph.example", timeout=30)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(connection, path, **headers):
    """Return the status of an answer, and its document."""
    with closing(connection):
        connection.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("sockets") / "glyph.sock"


@pytest.fixture(scope="module")
def service(tmp_path_factory, path):
    """Start one that listens on IPv6, IPv4 in it, and a Unix socket."""
    directory = tmp_path_factory.mktemp("addresses")
    port = free_port()
    bind = f"[::]:{port},unix:{path}"
    settings = {"rate_limit": "3/hour", "trusted_proxies": "unix:", "access_log": "all"}
    with Service(directory / "models", directory / "log", bind=bind, **settings) as running:
        running.url = f"http://127.0.0.1:{port}"
        running.port = port
        yield running.ready()


def clients(service, route):
    """Find whom the log names as clients of a route."""
    return [line["client"] for line in service.log_lines() if line.get("route") == route]


def test_ipv4_callers_are_ipv4_callers(service):
    """Also over a socket of IPv6."""
    over = {
        address: http.client.HTTPConnection(address, service.port, timeout=30)
        for address in ("127.0.0.1", "::1")
    }
    answers = [ask(connection, "/v2")[0] for connection in over.values()]

    assert [200, 200] == answers
    assert ["127.0.0.1", "::1"] == clients(service, "/v2")


def test_callers_over_a_unix_socket_are_whom_their_proxy_names(service, path):
    """If it is trusted; else they are one caller together."""
    answers = [
        ask(Unix(path), "/models/mnist", X_Forwarded_For=address)
        for address in ("192.0.2.7", "192.0.2.8", "")
    ]

    assert [200] * 3 == [status for status, _ in answers]
    assert ["192.0.2.7", "192.0.2.8", "unix:"] == clients(service, "/models/<name>")


@pytest.mark.usefixtures("service")
def test_a_limit_holds_over_a_unix_socket(path):
    """By whom the proxy names."""
    forwarded = {"X_Forwarded_For": "192.0.2.9"}
    answers = [ask(Unix(path), "/models", **forwarded) for _ in range(4)]

    assert [200, 200, 200, 429] == [status for status, _ in answers]
    assert answers[3][1]["error"].startswith("192.0.2.9 has used up its 3/hour")


@pytest.mark.usefixtures("service")
def test_the_path_is_nothing_that_a_caller_says(path):
    """By itself, gunicorn believes SCRIPT_NAME of whoever comes over a Unix socket."""
    with closing(Unix(path)) as connection:
        connection.putrequest("GET", "/healthz")
        connection.putheader("SCRIPT_NAME", "/healthz")
        connection.endheaders()
        answer = connection.getresponse()

        assert {"status": "alive"} == json.loads(answer.read())


def test_no_other_service_takes_the_socket(service, path):
    """It ends with one line, and the first one is asked on."""
    other = subprocess.run(
        [sys.executable, "-m", "app", "serve", "--bind", f"unix:{path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 2 == other.returncode
    expected = f"{path} is in use; end what listens there, or choose another"
    assert f"glyph: GLYPH_BIND='unix:{path}': {expected}\n" in other.stderr
    assert 200 == ask(Unix(path), "/healthz")[0]
    assert service.process.poll() is None


def test_a_socket_left_behind_is_replaced_and_removed_at_the_end(tmp_path):
    """A service that was killed could not remove it."""
    path = tmp_path / "glyph.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    port = free_port()
    bind = f"127.0.0.1:{port},unix:{path}"
    with Service(tmp_path / "models", tmp_path / "log", bind=bind) as service:
        service.url = f"http://127.0.0.1:{port}"
        service.alive()

        assert 200 == ask(Unix(path), "/healthz")[0]

    assert not path.exists()
