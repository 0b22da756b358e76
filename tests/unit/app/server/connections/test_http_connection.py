"""How a web worker serves a connection: over TCP, over TLS, and over a Unix socket."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import socket
import ssl
import threading
from functools import partial

import pytest

from tests.unit.app.worker_fakes import (
    PATIENCE_S,
    Worker,
    chunked,
    head,
    listen,
    post,
    tcp,
    until,
)


def test_a_connection_serves_request_after_request(client, application):
    """Each with its own body."""
    for body in (b"first", b"another", b"third"):
        assert body == client.ask(post(body)).body

    assert [b"first", b"another", b"third"] == application.bodies


@tcp
def test_a_request_within_a_head_is_no_request(client, application, worker):
    """Though the one before it was the same, and it comes by itself."""
    client.ask(post())
    (connection,) = open_connections(worker)
    for data in (b"POST /other HTTP/1.1\r\n", post()):
        worker.on_loop(partial(connection.data_received, data))

    assert 400 == client.receive().status
    assert [b"seven"] == application.bodies


def test_requests_sent_without_waiting_are_answered_in_order(client):
    """However many come in one packet."""
    bodies = [b"%05d" % n for n in range(20)]
    client.send(b"".join(map(post, bodies)))

    assert bodies == [client.receive().body for _ in bodies]


@tcp
def test_requests_sent_without_waiting_leave_others_their_turns(call, application, worker):
    """One client's hundred are not answered before another's one."""
    eager, other = call(), call()
    for client in (eager, other):
        client.ask(post())
    first, second = open_connections(worker)

    def receive() -> None:
        first.data_received(head(b"GET", b"/eager") * 100)
        second.data_received(head(b"GET", b"/other"))

    worker.on_loop(receive)
    other.receive()
    for _ in range(100):
        eager.receive()
    paths = [scope["path"] for scope in application.scopes[2:]]

    assert paths.index("/other") < 10


@tcp
def test_a_body_is_no_head_to_remember(client, application):
    """One that looks like a request and comes after its head: the next such request is parsed."""
    body = post(b"", path=b"/inner")
    client.send(head(b"POST", b"/outer", b"Content-Length: %d" % len(body)))
    until(lambda: application.scopes)
    client.send(body)
    client.receive()
    client.ask(post(b"", path=b"/inner"))

    assert ["/outer", "/inner"] == [scope["path"] for scope in application.scopes]


@contextlib.contextmanager
def standing_still(worker):
    """Have the event loop find at once what the block sends."""
    go_on = threading.Event()
    worker.loop.call_soon_threadsafe(go_on.wait, PATIENCE_S)
    yield
    go_on.set()


def test_a_request_may_come_byte_by_byte(client):
    """Nothing of it is lost."""
    client.ask(post(b"first"))
    client.send(*(bytes([byte]) for byte in post(b"slowly")))

    assert b"slowly" == client.receive().body


def test_a_large_body_is_read_whole(client):
    """It comes in many packets, behind another request."""
    body = bytes(range(256)) * 40_000
    client.send(post(b"first") + post(body))
    client.receive()

    assert body == client.receive().body


def test_a_chunked_body_is_read_whole(client):
    """Chunks of any size, and what follows them."""
    chunks = [b"x" * size for size in (1, 5000, 70_000, 300_000)]
    client.send(chunked(*chunks) + post(b"next"))

    assert b"".join(chunks) == client.receive().body
    assert b"next" == client.receive().body


def test_a_body_that_nobody_wants_is_no_request(client, application):
    """What an application did not read is not taken for what comes next."""
    application.reads = False
    assert [b"unread"] * 2 == [client.ask(post(post(b"inner"))).body for _ in range(2)]
    application.reads = True

    assert b"after" == client.ask(post(b"after")).body


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"Invalid character in chunk size"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nseven!", b"chunk data not terminated by CRLF"),
        (
            b"Transfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n",
            b"header name 'host' is not allowed",
        ),
    ],
)
def test_a_broken_body_is_told_once_and_ends_the_connection(client, application, sent, found):
    """Where it ends is not known any more, and its rest must not be taken for a request."""
    client.send(post(b"first"), head(b"POST", b"/")[:-2] + sent + post(b"inner"))
    client.receive()
    answer = client.receive()

    assert (400, found, "close") == (answer.status, answer.body, answer.headers["connection"])
    assert b"" == client.rest()
    assert [b"first", found] == application.bodies


def test_a_broken_body_that_nobody_read_gets_no_second_answer(client, application):
    """Its request has been answered."""
    application.reads = False
    client.send(head(b"POST", b"/", b"Transfer-Encoding: chunked") + b"zz\r\n")

    assert b"unread" == client.receive().body
    assert b"" == client.rest()


def test_a_broken_body_behind_another_request_is_told(client, application, worker):
    """It was here before the first was answered."""
    application.hold()
    client.send(post(b"first"))
    application.waits.wait(PATIENCE_S)
    client.send(head(b"POST", b"/", b"Transfer-Encoding: chunked") + b"zz\r\n")
    until(lambda: open_connections(worker)[0]._callback_parser._buffer)
    application.let_go(worker)

    assert [200, 400] == [client.receive().status for _ in range(2)]


@pytest.mark.parametrize("sent", [b"", b"POST / HT", post()[:-1]], ids=["no", "head", "body"])
def test_a_client_that_stops_in_between_is_let_go(client, worker, sent):
    """Nothing is answered, and nothing stays behind."""
    client.send(sent)
    socket.socket.shutdown(client.sock, socket.SHUT_WR)  # below TLS

    with contextlib.suppress(ssl.SSLError):  # an alert, since TLS would have said goodbye
        assert b"" == client.rest()
    until(lambda: not worker.doing()["open"])


def test_a_request_is_given_up_when_its_client_goes_away(client, application, worker):
    """Whoever waits for an answer on its behalf is told."""
    application.hold()
    client.send(post())
    application.waits.wait(PATIENCE_S)
    until(lambda: worker.loop.time() - open_connections(worker)[0].heard_at > 0.06)
    client.close()

    until(lambda: application.ended_by)


@tcp
def test_one_with_a_large_body_is_given_up_too(client, application, worker):
    """Though so much had come at once that no more was read for a while."""
    application.hold()
    (connection,) = open_connections(worker)
    worker.on_loop(lambda: connection.data_received(post(b"x" * 400_000)))
    application.waits.wait(PATIENCE_S)
    until(lambda: worker.loop.time() - connection.heard_at > 0.06)
    client.close()

    until(lambda: application.ended_by)


def open_connections(worker):
    """Return those of a worker, once there is one."""
    until(lambda: worker.doing()["open"])
    return worker.on_loop(lambda: list(worker.connections.open))


@pytest.mark.parametrize("way", ["TCP", "Unix"], indirect=True)
@pytest.mark.parametrize("sent", [post(), post() * 3, chunked(*[b"x" * 50_000] * 4)])
def test_a_client_that_says_it_sends_no_more_is_answered(client, worker, sent):
    """Whatever it had sent before, as `nc -N` does."""
    with standing_still(worker):
        client.send(sent)
        client.sock.shutdown(socket.SHUT_WR)

    assert max(1, sent.count(b"Host")) == client.rest().count(b"HTTP/1.1 200 ")


@tcp
def test_its_end_does_not_overtake_what_it_sent(client, worker):
    """Nothing more is read until that is parsed."""
    (connection,) = open_connections(worker)

    def receive() -> bool:
        connection.data_received(chunked(bytes(200_000)))
        connection._maybe_resume_reading()  # as when something of it is taken
        return connection.transport.is_reading()

    assert not worker.on_loop(receive)
    assert 200 == client.receive().status
    assert connection.transport.is_reading()


@tcp
@pytest.mark.parametrize("more", [b"POST / HT", post()[:-1]], ids=["head", "body"])
def test_what_it_had_begun_beside_is_not_waited_for(client, worker, more, monkeypatch):
    """Nothing of it can come any more."""
    monkeypatch.setattr("app.server.connections.connection_table._HEAD_S", 2 * PATIENCE_S)
    with standing_still(worker):
        client.send(post() + more)
        client.sock.shutdown(socket.SHUT_WR)

    assert client.rest().startswith(b"HTTP/1.1 200 ")


def test_a_next_request_does_not_give_up_the_one_that_is_answered(client, application, worker):
    """The client is there; it is only early."""
    application.hold()
    client.send(post(b"first"))
    application.waits.wait(PATIENCE_S)
    client.send(post(b"second"), post(b"third"))
    application.let_go(worker)

    assert [b"first", b"second", b"third"] == [client.receive().body for _ in range(3)]


@tcp
def test_a_client_of_http_1_0_is_told_whether_its_connection_is_kept(client):
    """By default it is not."""
    old = post().replace(b"HTTP/1.1", b"HTTP/1.0")
    asking = old.replace(b"Host: a", b"Connection: keep-alive")

    assert "keep-alive" == client.ask(asking).headers["connection"]
    assert "close" == client.ask(old).headers["connection"]
    assert b"" == client.rest()


@tcp
def test_a_client_may_end_its_connection(client):
    """With its last request."""
    assert "close" == client.ask(post(b"", b"Connection: close")).headers["connection"]
    assert b"" == client.rest()


@tcp
@pytest.mark.parametrize(
    "asked",
    [
        (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    ],
    ids=["WebSocket", "h2c"],
)
def test_a_request_for_another_protocol_is_answered_in_this_one(client, asked):
    """As HTTP has it for whoever speaks no other."""
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    assert 200 == client.ask(head(b"GET", b"/", *asked, key)).status
    assert b"next" == client.ask(post(b"next")).body


def test_nobody_is_believed_what_scheme_a_request_came_by(client, application, way):
    """Nor for which script it is: the application knows whom to believe."""
    client.ask(post(b"", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: on", b"SCRIPT_NAME: /x"))
    (scope,) = application.scopes

    assert ("https" if way == "TLS" else "http") == scope["scheme"]
    assert b"script_name" not in dict(scope["headers"])


@tcp
def test_a_head_is_answered_without_a_body(client, application, caplog):
    """What it would have been, nobody writes into the log."""
    application.answer = b""
    application.status = 401

    assert 401 == client.ask(head(b"HEAD", b"/")).status
    assert [] == [one for one in caplog.records if one.levelno >= logging.WARNING]


@tcp
@pytest.mark.parametrize(
    ("status", "phrase"), [(406, "Not Acceptable"), (417, "Expectation Failed"), (299, "Unknown")]
)
def test_an_answer_names_its_status(client, application, status, phrase):
    """By the words of the RFC."""
    application.status = status
    client.send(post(b"", b"Connection: close"))

    assert client.rest().startswith(f"HTTP/1.1 {status} {phrase}\r\n".encode())


@tcp
def test_a_failure_before_the_first_byte_is_answered(client, application, caplog):
    """Its reasons are the log's."""
    application.fails = ZeroDivisionError("secret")
    answer = client.ask(post())

    assert 500 == answer.status
    document = json.loads(answer.body)
    assert {"error", "code", "request_id"} == set(document)
    assert document["request_id"] == answer.headers["x-request-id"]
    assert ["Error in ASGI application"] == caplog.messages[:1]


@tcp
@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\0b"])
def test_a_value_cannot_end_its_header(client, application, value):
    """Nothing of it is sent."""
    application.headers = [(b"x-request-id", value)]
    answer = client.ask(post())

    assert 500 == answer.status
    assert "set-cookie" not in answer.headers
    assert b"" == client.rest()


@tcp
def test_many_clients_that_reset_their_connections_leave_no_trace_in_the_log(
    call, application, worker, caplog
):
    """Whether they are answered already or not."""
    caplog.set_level(logging.INFO)
    application.answer = b"x" * 100_000
    for held in (True, False):
        if held:
            application.hold()
        clients = [call() for _ in range(200)]
        for client in clients:
            client.send(post())
        until(lambda: len(application.bodies) >= 200)
        for client in clients:
            client.reset()
        if held:
            until(lambda: len(application.ended_by) == 200)
            application.let_go(worker)
    until(lambda: not worker.doing()["open"])

    assert [] == caplog.messages


@tcp
def test_a_client_that_goes_within_its_body_leaves_no_trace_in_the_log(
    client, application, worker, caplog
):
    """The answer to its request is not missed."""
    caplog.set_level(logging.INFO)
    client.send(post(b"seven")[:-1])
    until(lambda: application.scopes)
    client.close()
    until(lambda: not worker.connections.open)
    until(lambda: application.bodies)

    worker.on_loop(lambda: None)
    assert [] == caplog.messages


@tcp
def test_a_connection_that_breaks_as_it_is_refused_leaves_none_either(
    client, application, worker, caplog
):
    """The answer and the loss may be of the same moment."""
    application.reads = False
    application.hold()
    client.send(post()[:-1])
    application.waits.wait(PATIENCE_S)
    (connection,) = open_connections(worker)
    worker.on_loop(lambda: (application._go_on.set(), connection.transport.abort()))
    until(lambda: not worker.doing()["open"])
    gc.collect()  # tells of tasks that nobody asked how they ended

    assert [] == caplog.messages


@tcp
def test_an_answer_is_sent_at_once(client, worker):
    """Not held back for more to come."""
    client.ask(post())
    (connection,) = worker.connections.open
    server_side = connection.transport.get_extra_info("socket")

    assert worker.on_loop(lambda: server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_a_record_of_tls_may_come_in_pieces(application, certificate):
    """Nothing of it can be read before all is there, and that is not the end."""
    listener = listen()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate.cert)
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(come, go, server_hostname="127.0.0.1")
    with (
        Worker(application, listener, certificate=certificate),
        socket.create_connection(listener.getsockname(), PATIENCE_S) as sock,
    ):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(go.read())
                come.write(sock.recv(65536))
        tls.write(post())
        for byte in go.read():
            sock.sendall(bytes([byte]))
        application.waits.wait(PATIENCE_S)

    assert [b"seven"] == application.bodies
