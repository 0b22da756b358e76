"""What clients see of the real front, through real connections."""

from __future__ import annotations

import logging
import time

import pytest

from app.ipc.status import HostStatus, ModelStatus
from tests.in_process import BothWays, InstantChannel, serving
from tests.unit.app.worker_fakes import Worker, chunked, connect, head, listen, post

JSON, RAW = b"Content-Type: application/json", b"Content-Type: application/octet-stream"
IMAGE = b'{"instances": [[[7, 0], [0, 255]]]}'
LARGE = bytes(9 * 10**6)
CHUNKED = chunked(*[bytes(90_000)] * 100).replace(b"/ HTTP/1.1", b"/predict HTTP/1.1\r\n" + RAW, 1)
MODEL = ModelStatus(name="shapes", ready=True, reason=None, default=3, versions=(serving(3),))


class FrontWorker(Worker):
    """Serves the front, with a host that answers at once."""

    def load_wsgi(self) -> None:
        """Put it together on this worker's loop."""
        super().load_wsgi()
        channel = InstantChannel(HostStatus.of(MODEL))
        self.asgi = BothWays(channel, self.loop, time.monotonic).short


@pytest.fixture(params=["TCP", "TLS"])
def worker(request, certificate):
    listener = listen()
    secure = request.param == "TLS"
    with FrontWorker(None, listener, certificate=certificate if secure else None) as worker:
        worker.address, worker.trusted = listener.getsockname(), secure and certificate.cert
        yield worker


@pytest.fixture
def client(worker):
    with connect(worker.address, worker.trusted) as client:
        yield client


tcp = pytest.mark.parametrize("worker", ["TCP"], indirect=True)


def test_a_prediction_is_answered(client):
    """Request after request."""
    for _ in range(2):
        answer = client.ask(post(IMAGE, JSON, path=b"/predict"))

        assert (200, True) == (answer.status, b'"predictions"' in answer.body)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(LARGE, RAW, path=b"/predict"), 413),
        (post(LARGE, b"Content-Type: text/plain", path=b"/predict"), 415),
        (post(LARGE, RAW, path=b"/nowhere"), 404),
        (post(LARGE, RAW, path=b"/healthz"), 405),
        (CHUNKED, 413),
    ],
    ids=["too large", "of no kind that is read", "for nothing", "not wanted", "chunked"],
)
def test_a_large_body_that_is_not_wanted_does_not_cost_the_answer(client, data, status):
    """Its client sends all of it before it reads."""
    answer = client.ask(data)

    assert (status, "close") == (answer.status, answer.headers["connection"])
    assert b'"error"' in answer.body


@tcp
def test_who_waits_with_a_body_is_told_to_send_it_only_if_it_is_wanted(worker):
    """A refusal is all that others get."""
    waits = b"Expect: 100-continue"
    with connect(worker.address) as client:
        length = b"Content-Length: %d" % len(IMAGE)
        client.send(head(b"POST", b"/predict", JSON, length, waits))
        assert 100 == client.receive().status
        assert 200 == client.ask(IMAGE).status
    for path, length, status in ((b"/predict", 10**9, 413), (b"/nowhere", 5, 404)):
        with connect(worker.address) as client:
            asked = head(b"POST", path, RAW, b"Content-Length: %d" % length, waits)

            assert status == client.ask(asked).status


@tcp
@pytest.mark.parametrize(("path", "status"), [(b"/nowhere", 404), (b"/predict", 405)])
def test_a_refusal_without_a_body_is_no_warning(client, caplog, path, status):
    """Whoever asks by HEAD gets none, and gunicorn is given none to drop."""
    client.send(head(b"HEAD", path, b"Connection: close"))
    answer = client.rest()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"\r\n\r\n")
    assert [] == [one.message for one in caplog.records if one.levelno >= logging.WARNING]


@tcp
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(b"GET", b"/healthz"), 200),
        (head(b"GET", b"/models"), 200),
        (post(IMAGE, JSON, path=b"/predict"), 429),
    ],
)
def test_beyond_as_many_as_there_may_be_only_operators_are_served(client, worker, data, status):
    """And their connections are closed."""
    client.ask(head(b"GET", b"/healthz"))
    (connection,) = worker.connections.open
    connection.surplus = True
    answer = client.ask(data)

    assert (status, "close") == (answer.status, answer.headers["connection"])
    assert b"" == client.rest()
