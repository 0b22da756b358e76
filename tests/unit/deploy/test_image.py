"""The Dockerfile and what runs inside the image."""

from __future__ import annotations

import http.client
import json
import re
import runpy
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.telemetry.build_info import REVISION

STAGES = ("serve", "train")


def _stage(dockerfile, name):
    starts = [i for i, line in enumerate(dockerfile) if line.startswith("FROM ")]
    start = next(i for i in starts if dockerfile[i].endswith(f" AS {name}"))
    return dockerfile[start : next((i for i in starts if i > start), None)]


def _argument(stage, instruction):
    (line,) = (line for line in stage if line.startswith(f"{instruction} "))
    return line.partition(" ")[2]


@pytest.mark.parametrize("name", STAGES)
def test_nobody_is_root(dockerfile, name):
    """Both images run as a number, so that an orchestrator sees it is not 0."""
    assert "10001:10001" == _argument(_stage(dockerfile, name), "USER")


@pytest.mark.parametrize("name", STAGES)
def test_the_process_gets_signals_itself(dockerfile, name):
    """No shell stands between the engine and the process."""
    assert ["glyph", name] == json.loads(_argument(_stage(dockerfile, name), "ENTRYPOINT"))


@pytest.mark.parametrize("name", STAGES)
def test_packages_come_from_the_locks(dockerfile, name):
    """The image holds what was tested, to the byte."""
    (install,) = (x for x in _stage(dockerfile, f"{name}-packages") if "pip --python" in x)

    assert f"--require-hashes --requirement {name}.txt" in install


@pytest.mark.parametrize("name", STAGES)
def test_an_image_names_what_it_was_built_from(dockerfile, name):
    """By the labels that registries know."""
    stage = _stage(dockerfile, name)
    label = re.compile(r'org\.opencontainers\.image\.(\w+)=("[^"]*"|\S+)')
    labels = dict(label.findall(_argument(stage, "LABEL")))

    assert {"title", "description", "version", "revision"} == set(labels)
    assert ("$VERSION", "$REVISION") == (labels["version"], labels["revision"])
    assert "VERSION REVISION" == _argument(stage, "ARG")


def test_the_serving_image_tells_its_revision(dockerfile):
    """It is a label of a metric."""
    assert f"ENV {REVISION}=$REVISION" in _stage(dockerfile, "serve")


def test_the_serving_image_reports_liveness(dockerfile):
    """Whoever restarts what is unhealthy must not restart what only lacks a good version."""
    stage = _stage(dockerfile, "serve")

    assert '"/healthz"]' in _argument(stage, "HEALTHCHECK")
    assert any("GLYPH_BIND=0.0.0.0:8000" in line for line in stage)


def test_the_build_sees_an_allow_list_only(root):
    """No secret and no history can get into an image."""
    lines = (root / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert "*" == rules[0]
    assert {"!app", "!model_store", "!training", "!pyproject.toml", "!requirements"} < set(rules)
    assert "**/__pycache__" == rules[-1]


class Service:
    """Stands for the service behind http.client; answers one status, or refuses to connect."""

    def __init__(self, status):
        self.status = status
        self.asked = []

    def __call__(self, host, port, timeout):
        assert timeout > 0
        self.asked.append((host, port))
        return self

    def secure(self, host, port, timeout, context):
        self.context = context
        return self(host, port, timeout)

    def request(self, method, path):
        if self.status is None:
            raise ConnectionRefusedError("nobody listens")
        self.asked.append((method, path))

    def getresponse(self):
        return self

    def close(self):
        pass

    def read(self, _amount):
        return b'{"status": "whatever"}'


@pytest.fixture
def check(root, monkeypatch):
    """Return a function that runs the health check against a service."""
    main = runpy.run_path(root / "deploy/healthcheck.py")["main"]
    monkeypatch.setenv("GLYPH_BIND", "0.0.0.0:8123")

    def run(service, path="/healthz"):
        monkeypatch.setattr(http.client, "HTTPConnection", service)
        return main(path)

    return run


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (500, 1), (None, 1)])
def test_health_is_a_200(check, status, code, capsys):
    """Only a 200 is health; anything else fails the check and is printed."""
    assert code == check(Service(status))
    assert capsys.readouterr().out


def test_the_health_check_asks_where_the_service_listens(check):
    """A service on another port is found by its setting."""
    service = Service(200)

    check(service, "/readyz")

    assert [("127.0.0.1", 8123), ("GET", "/readyz")] == service.asked


@pytest.mark.parametrize(
    ("bind", "asked"),
    [
        ("[::]:81", ("::1", 81)),
        ("[::1]:81", ("::1", 81)),
        ("192.0.2.7:82, 127.0.0.1:83", ("192.0.2.7", 82)),
        ("glyph:84,unix:/run/glyph.sock", ("glyph", 84)),
    ],
)
def test_the_health_check_asks_the_first_address(check, monkeypatch, bind, asked):
    """By which this machine reaches itself, where it is every address."""
    service = Service(200)
    monkeypatch.setenv("GLYPH_BIND", bind)
    check(service)

    assert asked == service.asked[0]


def test_the_health_check_asks_a_unix_socket(root, monkeypatch, tmp_path):
    """Where the service listens on one."""
    path = tmp_path / "glyph.sock"
    monkeypatch.setenv("GLYPH_BIND", f"unix:{path}")
    main = runpy.run_path(root / "deploy/healthcheck.py")["main"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with ThreadPoolExecutor(1) as other:
            code = other.submit(main, "/healthz")
            client, _ = listener.accept()
            with client:
                head = client.recv(1000)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    assert head.startswith(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    assert 0 == code.result()
    assert 1 == main("/healthz")


def test_the_health_check_speaks_tls_where_the_service_does(check, monkeypatch):
    """Whatever name the certificate is for."""
    service = Service(200)
    monkeypatch.setenv("GLYPH_TLS_CERT", "/run/secrets/cert.pem")
    monkeypatch.setattr(http.client, "HTTPSConnection", service.secure)
    check(Service(None))

    assert [("127.0.0.1", 8123), ("GET", "/healthz")] == service.asked
    assert ssl.CERT_NONE == service.context.verify_mode
