"""How a web worker serves a connection, over a real pair of sockets."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket, ssl
from gevent.event import Event
from gunicorn.config import Config

from app.connection import ClientGoneError
from app.draining_server import DRAINING
from app.gunicorn_worker import WebWorker
from app.web.bodies import read_body
from app.web.errors import ServiceError
from app.web.unreadable import Refusals
from tests.certificates import make_certificate

PATIENCE_S = 10
ASK = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"


class Worker(WebWorker):
    """The part of a worker that a connection needs."""

    def __init__(self, application) -> None:
        self.wsgi = application
        self.alive = True
        self.cfg = Config()
        self.log = logging.getLogger("worker")
        self.log.access = lambda *_facts: None  # gunicorn's own logger has it
        self._waiting = {}
        self._refusals = Refusals(time.monotonic, self.cfg)
        self.served: list[gevent.Greenlet] = []


class Application:
    """Echoes the body; may wait, fail, or leave the body unread."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.draining: list[bool] = []
        self.go_on = Event()
        self.go_on.set()
        self.waits = Event()
        self.ended_by: BaseException | None = None
        self.parts = None
        self.fails: Exception | None = None
        self.reads = True

    def __call__(self, environ, start_response):
        self.draining.append(DRAINING in environ)
        if self.reads:
            self.bodies.append(environ["wsgi.input"].read())
        self.waits.set()
        try:
            self.go_on.wait(PATIENCE_S)
        except BaseException as exc:
            self.ended_by = exc
            raise
        return self._answer(start_response)

    def _answer(self, start_response):
        parts = self.parts or [self.bodies[-1] if self.bodies else b"empty"]
        start_response("200 OK", [("Content-Length", str(max(5, sum(map(len, parts)))))])
        yield from parts
        if self.fails:
            raise self.fails


@pytest.fixture
def application():
    return Application()


@pytest.fixture
def worker(application, monkeypatch):
    monkeypatch.setattr("app.gunicorn_worker._LOOK_EVERY_S", 0.001)
    return Worker(application)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "TLS"])
def sockets(request, certificate):
    """Give two connected sockets: the client's, and the worker's."""
    ours, theirs = socket.socketpair()
    if request.param == "plain":
        return ours, theirs
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # gevent's, which does not block
    trusting.load_verify_locations(certificate.cert)
    accepted = gevent.spawn(server.wrap_socket, theirs, server_side=True)
    secure = trusting.wrap_socket(ours, server_hostname="127.0.0.1")
    return secure, accepted.get(timeout=PATIENCE_S)


@pytest.fixture
def client(worker, sockets):
    """Connect a client to a worker."""
    ours = connect(worker, *sockets)
    yield ours
    ours.close()
    worker.served[0].join(PATIENCE_S)


@pytest.fixture
def clients(worker):
    """Connect some more, not in TLS."""
    connected = [connect(worker, *socket.socketpair()) for _ in range(4)]
    yield connected
    for client in connected:
        client.close()
    gevent.joinall(worker.served, PATIENCE_S)


def connect(worker, ours, theirs):
    """Have a worker serve one end of a pair of sockets; gives the other end."""
    listener = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80))
    worker.served.append(gevent.spawn(worker.handle, listener, theirs, ("127.0.0.1", 1)))
    ours.settimeout(PATIENCE_S)
    return ours


def wait_until_begun(worker, index=0):
    """Wait until something has come on a connection that waits for a head."""
    while not list(worker._waiting)[index:] or not list(worker._waiting)[index].begun:
        gevent.idle()


def ask(body: bytes = b"seven") -> bytes:
    return ASK % (len(body), body)


def receive(client) -> tuple[bytes, bytes]:
    """Read one answer and no more: head and body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, head
        head += byte
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    body = b""
    while len(body) < length:
        body += client.recv(length - len(body))
    return head, body


def test_a_connection_serves_request_after_request(client, application):
    """The parser reads the first; those like it are taken from memory."""
    for body in (b"first", b"another", b"third"):
        client.sendall(ask(body))
        assert body == receive(client)[1]

    assert [b"first", b"another", b"third"] == application.bodies


def test_requests_sent_without_waiting_are_answered_in_order(client):
    """However many come in one packet."""
    bodies = [b"%05d" % n for n in range(20)]
    client.sendall(b"".join(map(ask, bodies)))

    assert bodies == [receive(client)[1] for _ in bodies]


def test_a_request_may_come_byte_by_byte(client):
    """Known or not, nothing of it is lost."""
    client.sendall(ask(b"first"))
    receive(client)
    for byte in ask(b"slowly"):
        client.sendall(bytes([byte]))
        gevent.sleep(0)

    assert b"slowly" == receive(client)[1]


def test_a_large_body_is_read_whole(client):
    """It comes in many packets."""
    body = bytes(range(256)) * 4000
    sender = gevent.spawn(client.sendall, ask(b"first") + ask(body))
    receive(client)

    assert body == receive(client)[1]
    sender.join(PATIENCE_S)


def test_a_body_left_unread_is_no_request(client, application):
    """What an application did not read is not taken for what comes next."""
    application.reads = False
    inner = ask(b"inner")
    client.sendall(ask(inner) + ask(b"x" * 5))
    receive(client)
    receive(client)
    application.reads = True
    client.sendall(ask(b"after"))

    assert b"after" == receive(client)[1]
    assert [b"after"] == application.bodies


@pytest.mark.parametrize(
    ("head", "first", "rest"),
    [
        (b"Transfer-Encoding: chunked", b"5\r\nsev", ask(b"inner")),
        (b"Transfer-Encoding: chunked", b"5\r\nseven\r\n", b"0\r\n\r\n" + ask(b"inner")),
        (b"Transfer-Encoding: chunked", b"zz\r\n", ask(b"inner")),
        (b"Content-Length: 500", b"sev", ask(b"inner")),
    ],
)
def test_a_body_that_could_not_be_read_ends_the_connection(client, worker, head, first, rest):
    """Where it ends is not known any more, and its rest must not be taken for a request."""
    bodies = []

    def read(environ, start_response):
        try:
            bodies.append(read_body(environ, 0.01, 1000))
        except ServiceError as exc:
            bodies.append(exc.status)
        start_response("400 Bad Request", [("Content-Length", "0")])
        return [b""]

    worker.wsgi = read
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n%b" % (head, first))
    answer, _ = receive(client)

    assert b"\r\nConnection: close\r\n" in answer
    with contextlib.suppress(OSError):  # it may have gone already
        client.sendall(rest)
        assert b"" == client.recv(1000)
    assert bodies in ([400], [408])


def test_a_malformed_request_is_refused_and_ends_the_connection(client, application):
    """Also when good ones came before it."""
    client.sendall(ask())
    receive(client)
    client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")

    head, body = receive(client)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert {"error"} == set(json.loads(body))
    assert b"" == client.recv(1)
    assert [b"seven"] == application.bodies


def test_a_refusal_arrives_though_the_client_goes_on_sending(client, monkeypatch):
    """What is not read when a connection closes would have the kernel take the answer back."""
    monkeypatch.setattr("app.gunicorn_worker._LINGER_S", PATIENCE_S)
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: %s\r\n" % (b"x" * 2**20)
    sender = gevent.spawn(client.sendall, head * 4)
    sender.get(timeout=PATIENCE_S)

    assert receive(client)[0].startswith(b"HTTP/1.1 431 ")
    assert b"" == client.recv(1)


def test_a_client_that_never_stops_sending_is_let_go(client, worker, monkeypatch):
    """However much comes after its refusal."""
    monkeypatch.setattr("app.gunicorn_worker._LINGER_S", 0.0)

    def send():
        with contextlib.suppress(OSError):
            while True:
                client.sendall(b"nonsense\r\n" * 10_000)

    sender = gevent.spawn(send)
    worker.served[0].get(timeout=PATIENCE_S)
    sender.get(timeout=PATIENCE_S)


def test_a_broken_body_that_nobody_read_gets_no_second_answer(client, application):
    """Its request has been answered."""
    application.reads = False
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")

    assert b"empty" == receive(client)[1]
    assert b"" == client.recv(1)


@pytest.mark.parametrize("sent", [b"", b"POST / HT", ASK[:-4] % 100])
def test_a_client_that_stops_in_between_is_let_go(client, worker, sent):
    """Nothing is answered, and the greenlet ends."""
    client.sendall(sent)
    socket.socket.shutdown(client, socket.SHUT_WR)  # below TLS

    with contextlib.suppress(ssl.SSLError):  # an alert, since TLS would have said goodbye
        assert b"" == client.recv(1)
    worker.served[0].get(timeout=PATIENCE_S)


def test_a_request_is_given_up_when_its_client_goes_away(client, worker, application):
    """Whoever waits for an answer on its behalf is told."""
    application.go_on.clear()
    client.sendall(ask())
    application.waits.wait(PATIENCE_S)
    client.close()
    worker.served[0].join(PATIENCE_S)

    assert isinstance(application.ended_by, ClientGoneError)


def test_a_next_request_does_not_give_up_the_one_that_is_answered(client, application):
    """The client is there; it is only early."""
    application.go_on.clear()
    client.sendall(ask(b"first"))
    application.waits.wait(PATIENCE_S)
    for body in (b"second", b"third"):
        client.sendall(ask(body))
        gevent.sleep(0.001)  # the event loop looks at the socket
    application.go_on.set()

    assert [b"first", b"second", b"third"] == [receive(client)[1] for _ in range(3)]


def test_a_worker_that_ends_closes_its_connections(client, worker):
    """Each gets its last answer, which says so."""
    worker.alive = False
    client.sendall(ask())

    assert b"Connection: close" in receive(client)[0]
    assert b"" == client.recv(1)


def test_the_application_is_told_that_the_worker_ends(client, worker, application):
    """So that it can say that it is not ready any more."""
    for alive in (True, False):
        worker.alive = alive
        client.sendall(ask())
        receive(client)

    assert [False, True] == application.draining


@pytest.mark.parametrize("sent", [b"", b"POST / HT"])
def test_a_head_that_does_not_come_is_not_waited_for(client, worker, monkeypatch, sent):
    """However long connections are kept between requests."""
    client.sendall(sent)
    if sent:
        wait_until_begun(worker)
    worker.cfg.set("keepalive", 999)
    monkeypatch.setattr("app.gunicorn_worker._HEAD_S", 0)
    with worker._looking():
        assert b"" == client.recv(1)


def test_every_idle_connection_is_closed(clients, worker, monkeypatch):
    """Those after the first as well."""
    monkeypatch.setattr("app.gunicorn_worker._HEAD_S", 0)
    with worker._looking():
        assert [b""] * 4 == [client.recv(1) for client in clients]


def answered(clients):
    """Have each ask once, so that its connection is kept."""
    for client in clients:
        client.sendall(ask())
        receive(client)


def look(worker):
    """Have the event loop look once for idle connections."""
    gevent.get_hub().loop.run_callback(worker._end_idle)
    gevent.sleep(0)


def test_a_connection_is_kept_between_requests(clients, worker, monkeypatch):
    """For longer than a head may take, and no longer than is set."""
    monkeypatch.setattr("app.gunicorn_worker._HEAD_S", 0)
    worker.cfg.set("keepalive", 999)
    answered(clients)
    for _ in range(3):
        look(worker)
    answered(clients)

    worker.cfg.set("keepalive", 0)
    look(worker)
    assert [b""] * 4 == [client.recv(1) for client in clients]


def test_a_head_on_a_kept_connection_has_as_long_as_a_new_one(clients, worker, monkeypatch):
    """From when it was seen to begin, so that it has its time, and no more."""
    answered(clients)
    worker.cfg.set("keepalive", 0)
    clients[0].sendall(b"POST / HT")
    wait_until_begun(worker)
    look(worker)
    assert 1 == len(worker._waiting)

    worker.cfg.set("keepalive", 999)
    monkeypatch.setattr("app.gunicorn_worker._HEAD_S", 0)
    with worker._looking():
        assert b"" == clients[0].recv(1)


def test_connections_that_are_kept_leave_room_for_others(clients, worker, monkeypatch):
    """Of so many as half of a worker's places, the longest idle are closed before their time."""
    monkeypatch.setattr("app.gunicorn_worker._HEAD_S", 0)
    worker.cfg.set("keepalive", 999)
    worker.cfg.set("worker_connections", 6)
    answered(clients)
    with worker._looking():
        assert b"" == clients[0].recv(1)
    answered(clients[1:])


def test_a_worker_that_ends_waits_for_no_idle_connection(clients, worker, monkeypatch):
    """Only for those on which a request has begun to come, and as long as otherwise."""
    monkeypatch.setattr("app.gunicorn_worker._LAST_CHANCE_S", 0.0)
    for client, sent in zip(clients, (b"", b"POST / HT", ask(), ask() + b"POST"), strict=True):
        client.sendall(sent)
    for client in clients[2:]:
        receive(client)
    wait_until_begun(worker, 1)
    worker.alive = False
    with worker._looking():
        ends = [client.recv(1) for client in clients[::2]]
        gevent.joinall(worker.served[::2], PATIENCE_S)

    assert [b"", b""] == ends
    assert [True, False] * 2 == [greenlet.ready() for greenlet in worker.served]


def test_a_connection_that_is_answered_is_not_idle(client, worker, application):
    """However long the answer takes."""
    application.go_on.clear()
    client.sendall(ask())
    application.waits.wait(PATIENCE_S)

    assert {} == worker._waiting


def test_an_answer_that_breaks_off_ends_the_connection(client, application, caplog):
    """Nothing is sent that could be taken for the rest of it."""
    application.parts, application.fails = [b"sev"], ZeroDivisionError()
    client.sendall(ask())
    received = b""
    while more := client.recv(65536):
        received += more

    assert received.endswith(b"\r\n\r\nsev")
    assert ["an answer broke off"] == caplog.messages


def test_a_failure_before_the_first_byte_is_answered(client, application):
    """Nothing was sent, so an error can be."""
    application.go_on = SimpleNamespace(wait=lambda _timeout: 1 / 0)
    client.sendall(ask())

    head, body = receive(client)
    assert head.startswith(b"HTTP/1.1 500 ")
    assert {"error", "request_id"} == set(json.loads(body))


def test_a_record_of_tls_may_come_in_pieces(worker, application, certificate):
    """Nothing of it can be read before all is there, and that is not the end."""
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(certificate.cert)
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting.wrap_bio(come, go, server_hostname="127.0.0.1")
    accepted = gevent.spawn(server.wrap_socket, theirs, server_side=True)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            ours.sendall(go.read())
            come.write(ours.recv(65536))
    ours.sendall(go.read())
    served = accepted.get(timeout=PATIENCE_S)
    listener = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80))
    greenlet = gevent.spawn(worker.handle, listener, served, ("127.0.0.1", 1))
    tls.write(ask(b"seven"))
    record = go.read()
    for piece in (record[:3], record[3:40], record[40:]):
        ours.sendall(piece)
        gevent.sleep(0)
        gevent.idle()
    application.waits.wait(PATIENCE_S)
    ours.close()
    greenlet.join(PATIENCE_S)

    assert [b"seven"] == application.bodies
