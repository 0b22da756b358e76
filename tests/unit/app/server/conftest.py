"""A worker that serves one application over one socket, and its clients."""

from __future__ import annotations

import pytest

from tests.certificates import make_certificate
from tests.unit.app.worker_fakes import Application, Client, Worker, connect, listen


@pytest.fixture
def application():
    return Application()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def listener():
    return listen()


@pytest.fixture(params=["TCP", "TLS", "Unix"])
def way(request):
    """Name what a connection goes over."""
    return request.param


@pytest.fixture
def call(way, application, certificate, tmp_path, monkeypatch):
    """Connect a client to a worker; called again, another one."""
    monkeypatch.setattr("app.server.worker._CHECK_EVERY_S", 0.005)
    listener = listen(str(tmp_path / "socket") if way == "Unix" else ("127.0.0.1", 0))
    address, trusted = listener.getsockname(), certificate.cert if way == "TLS" else None
    with Worker(application, listener, certificate=trusted and certificate) as worker:
        clients = []

        def call() -> Client:
            clients.append(connect(address, trusted))
            return clients[-1]

        call.worker = worker
        yield call
        for client in clients:
            client.close()


@pytest.fixture
def worker(call):
    return call.worker


@pytest.fixture
def client(call):
    return call()
