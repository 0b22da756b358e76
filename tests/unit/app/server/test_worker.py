"""How a web worker takes connections in, bounds them, and ends."""

from __future__ import annotations

import ast
import contextlib
import inspect
import logging
import select
import threading
from pathlib import Path

import pytest
from gunicorn.asgi.parser import CallbackRequest, PythonProtocol
from gunicorn.asgi.protocol import ASGIProtocol, BodyReceiver, _RequestHeaderPolicy
from gunicorn.dirty.arbiter import DirtyArbiter
from gunicorn.dirty.worker import DirtyWorker
from gunicorn.workers.gasgi import ASGIWorker

import app.server.connections.http_connection
from app.server.connections.connection_table import SPARE_CONNECTIONS
from app.server.connections.http_connection import HttpConnection
from app.server.front.asgi_types import RECEIVED
from app.server.worker import WebWorker
from tests.unit.app.worker_fakes import (
    PATIENCE_S,
    Worker,
    connect,
    listen,
    post,
    until,
)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch):
    monkeypatch.setattr("app.server.worker._CHECK_EVERY_S", 0.005)
    monkeypatch.setattr("app.server.worker._HEARTBEAT_S", 2 * PATIENCE_S)  # the end waits for none
    monkeypatch.setattr("app.server.worker._UNREADY_S", 0.0)


@pytest.fixture
def address(listener):
    return listener.getsockname()


@pytest.fixture
def worker(application, listener):
    with Worker(application, listener) as worker:
        yield worker


def test_several_addresses_are_served(application, tmp_path):
    """Of any kind, and each request knows to which it came."""
    listeners = [listen(), listen(), listen(str(tmp_path / "socket"))]
    addresses = [listener.getsockname() for listener in listeners]
    with Worker(application, *listeners):
        for address in addresses:
            with connect(address) as client:
                assert b"seven" == client.ask(post()).body

    assert addresses[:2] == [scope["server"] for scope in application.scopes[:2]]
    assert [False, False, True] == [scope["client"] is None for scope in application.scopes]


def test_one_client_is_taken_in_a_turn_of_the_loop(worker, address):
    """So that another worker on the same socket has its share of a burst."""
    turns, taken = [0], []

    def count() -> None:
        turns[0] += 1
        worker.loop.call_soon(count)

    admit = worker.connections.admit
    worker.connections.admit = lambda *args: (taken.append(turns[0]), admit(*args))[1]
    worker.on_loop(count)
    clients = [connect(address) for _ in range(20)]
    until(lambda: len(taken) == 20)
    for client in clients:
        client.close()

    assert 20 == len(set(taken))


@pytest.mark.usefixtures("worker")
def test_what_takes_too_long_is_ended(address, monkeypatch):
    """The worker looks again and again."""
    with connect(address) as client:
        client.send(b"POST / HT")
        monkeypatch.setattr("app.server.connections.connection_table._HEAD_S", 0.0)

        assert b"" == client.rest()


def test_an_idle_connection_is_ended_without_an_answer(worker, address):
    """When its time is over."""
    with connect(address) as client:
        client.ask(post())
        worker.connections._keepalive_s = 0.0

        assert b"" == client.rest()


def test_one_that_begins_to_ask_again_has_as_long_as_a_new_one(worker, address):
    """However long it was idle."""
    with connect(address) as client:
        client.ask(post())
        (connection,) = worker.connections.open

        def begin() -> None:
            worker.connections._waiting[connection] = -9999.0
            connection.data_received(b"POST")
            worker.connections.close_overdue(worker.loop.time(), draining=False)

        worker.on_loop(begin)

        assert 200 == client.ask(post().removeprefix(b"POST")).status


def test_half_a_head_behind_a_request_is_no_idle_connection(worker, address):
    """It has as long as a new one."""
    with connect(address) as idle, connect(address) as begun:
        idle.ask(post())
        begun.ask(post() + b"POST")
        found = worker.on_loop(lambda: [(one.kept, one.begun) for one in worker.connections.open])

    assert [(True, False), (False, True)] == found


def test_a_body_in_a_packet_of_its_own_leaves_the_connection_idle(worker, address):
    """Nothing of a next request has come."""
    with connect(address) as client:
        client.send(*(bytes([byte]) for byte in post()))
        client.receive()
        found = worker.on_loop(lambda: [(one.kept, one.begun) for one in worker.connections.open])

    assert [(True, False)] == found


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(
    application, worker, address, monkeypatch
):
    """Its answer waits for it in memory."""
    application.answer = bytes(20 * 10**6)
    with connect(address) as client:
        client.send(post())
        until(lambda: worker.doing()["stalled"])
        monkeypatch.setattr("app.server.connections.connection_table._STALL_S", 0.0)
        until(lambda: not worker.doing()["open"])

        assert len(client.rest()) < 20 * 10**6


def test_so_is_one_whose_connection_would_be_closed_after_it(
    application, worker, address, monkeypatch
):
    """Nothing more is written to it, so that only the worker can see it."""
    application.answer = bytes(6 * 10**6)
    with connect(address) as client:
        client.send(post(b"", b"Connection: close"))
        until(lambda: worker.doing()["stalled"])
        (connection,) = worker.on_loop(lambda: [*worker.connections.open])
        worker.on_loop(connection.resume_writing)  # as when little is left
        until(lambda: connection._closed)
        worker.on_loop(connection.resume_writing)
        monkeypatch.setattr("app.server.connections.connection_table._STALL_S", 0.0)

        until(lambda: not worker.doing()["open"])


def test_one_that_takes_it_slowly_gets_it_all(application, worker, address, monkeypatch):
    """As long as it takes something."""
    monkeypatch.setattr("app.server.connections.connection_table._STALL_S", 0.3)
    application.answer = bytes(30 * 10**6)
    with connect(address) as client:
        client.send(post())
        until(lambda: worker.doing()["stalled"])
        taken = 0
        while taken < 30 * 10**6:
            size = len(client.sock.recv(2**20))
            assert size
            taken += size


@pytest.fixture
def crowded(application, listener):
    """A worker that serves two at once."""
    with Worker(application, listener, worker_connections=2) as worker:
        yield worker


@pytest.fixture
def arrive(application, address):
    """Connect clients that ask at once, and wait for their answers."""
    with contextlib.ExitStack() as stack:

        def arrive(body: bytes = b"seven"):
            client = stack.enter_context(connect(address))
            before = len(application.bodies)
            client.send(post(body))
            until(lambda: len(application.bodies) > before)
            return client

        application.hold()
        yield arrive


def test_a_newcomer_takes_the_place_of_who_does_least(application, crowded, address, arrive):
    """The one that is being answered goes on."""
    first = arrive(b"first")
    with connect(address) as idle:
        until(lambda: crowded.doing()["open"] == 2)
        third = arrive(b"third")
        application.let_go(crowded)

        assert b"" == idle.rest()
    assert [b"first", b"third"] == [client.receive().body for client in (first, third)]


def test_where_all_are_answered_newcomers_are_marked(application, crowded, arrive):
    """The application serves operators among them; each gets one answer."""
    *_, last = (arrive() for _ in range(3))
    application.let_go(crowded)

    assert "close" == last.receive().headers["connection"]
    assert b"" == last.rest()
    assert [False, False, True] == [scope[RECEIVED].surplus for scope in application.scopes]


def test_there_may_only_be_a_few_of_those(application, crowded, address, arrive):
    """The others are closed."""
    clients = [arrive() for _ in range(2 + SPARE_CONNECTIONS)]
    with connect(address) as one_more:
        assert b"" == one_more.rest()
    application.let_go(crowded)

    assert {200} == {client.receive().status for client in clients}


# The end of a worker.


def test_a_worker_that_ends_answers_what_has_come(application, worker, address):
    """It says that it is the last answer."""
    with connect(address) as client:
        application.hold()
        client.send(post())
        application.waits.wait(PATIENCE_S)
        worker.begin_to_end()
        until(lambda: not worker.alive)
        application.let_go(worker)
        answer = client.receive()

        assert (b"seven", "close") == (answer.body, answer.headers["connection"])
        assert b"" == client.rest()
        worker.thread.join(PATIENCE_S)
    assert ["start", "stop"] == worker.parts.said


def test_who_asks_again_while_it_ends_is_told_to_come_no_more(application, worker, address):
    """On this connection, and the application knows."""
    with connect(address) as client:
        client.ask(post())
        worker.begin_to_end()
        until(lambda: not worker.alive)
        answer = client.ask(post())

        assert "close" == answer.headers["connection"]
    assert [False, True] == [scope[RECEIVED].draining for scope in application.scopes]


def test_newcomers_are_told_for_a_while_that_it_ends(application, worker, address, monkeypatch):
    """Whoever asks whether it is ready hears so before connections are refused."""
    monkeypatch.setattr("app.server.worker._UNREADY_S", PATIENCE_S)
    worker.begin_to_end()
    until(lambda: not worker.alive)
    for _ in range(2):
        with connect(address) as client:
            assert "close" == client.ask(post()).headers["connection"]

    assert [True, True] == [scope[RECEIVED].draining for scope in application.scopes]


def test_it_waits_for_no_idle_connection(worker, address, monkeypatch):
    """For longer than a client may need to ask again."""
    monkeypatch.setattr("app.server.connections.connection_table._LAST_CHANCE_S", 0.0)
    with connect(address) as fresh, connect(address) as kept:
        kept.ask(post())
        until(lambda: worker.doing()["open"] == 2)
        worker.begin_to_end()
        worker.thread.join(PATIENCE_S)

        assert (b"", b"") == (fresh.rest(), kept.rest())
        assert not worker.thread.is_alive()


def test_nor_for_one_over_tls_that_does_not_say_goodbye(secure, call, monkeypatch):
    """Clients that keep connections for later do not look at them."""
    monkeypatch.setattr("app.server.connections.connection_table._LAST_CHANCE_S", 0.0)
    with call() as client:
        client.ask(post())
        secure.begin_to_end()
        secure.thread.join(PATIENCE_S)

        assert not secure.thread.is_alive()


def test_those_who_wait_to_be_taken_in_are_served_at_the_end(worker, listener, address):
    """The kernel has told them that they are connected; later ones are refused."""
    worker.on_loop(lambda: worker.loop.remove_reader(listener))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(address)) for _ in range(5)]
        worker.begin_to_end()

        assert [200] * 5 == [client.ask(post()).status for client in clients]
        with pytest.raises(ConnectionRefusedError):
            connect(address)


def test_so_are_those_who_agree_on_keys_at_the_end(secure, listener, address, call):
    """Beside some who never do."""
    secure.on_loop(lambda: secure.loop.remove_reader(listener))
    served = []
    calling = threading.Thread(target=lambda: served.append(_served(call)))
    calling.start()
    until(lambda: select.select([listener], [], [], 0)[0])
    with connect(address):
        secure.begin_to_end()
        calling.join(PATIENCE_S)

    assert [200] == served


def _served(call) -> int:
    with call() as client:
        return client.ask(post()).status


def test_a_worker_that_is_told_to_hurry_waits_for_nobody(application, worker, address):
    """Whoever was being answered sees the connection close."""
    application.hold()
    with connect(address) as client:
        client.send(post())
        application.waits.wait(PATIENCE_S)
        worker.begin_to_end()
        worker.loop.call_soon_threadsafe(worker.handle_quit_signal)
        worker.thread.join(PATIENCE_S)

    assert not worker.thread.is_alive()
    assert application.ended_by


def test_the_end_has_its_time(application, listener, address):
    """A request that takes longer is given up."""
    application.hold()
    with Worker(application, listener, graceful_timeout=0) as worker, connect(address) as client:
        client.send(post())
        application.waits.wait(PATIENCE_S)
        worker.begin_to_end()
        worker.thread.join(PATIENCE_S)

        assert not worker.thread.is_alive()


def test_the_path_of_a_unix_socket_stays(application, tmp_path):
    """Another worker serves it, or the next one."""
    path = tmp_path / "socket"
    with Worker(application, listen(str(path))) as worker:
        worker.begin_to_end()
        worker.thread.join(PATIENCE_S)

    assert path.exists()


@pytest.fixture
def secure(application, listener, certificate):
    """A worker that speaks TLS, and serves three at once."""
    settings = {"certificate": certificate, "worker_connections": 3}
    with Worker(application, listener, **settings) as worker:
        yield worker


@pytest.fixture
def call(address, certificate):
    """Connect over TLS."""
    return lambda: connect(address, certificate.cert)


@pytest.mark.parametrize("sent", [post(), b"", b"\x16\x03\x01"], ids=["plain", "silent", "started"])
def test_a_client_that_does_not_agree_on_keys_is_let_go(secure, address, monkeypatch, caplog, sent):
    """In a bounded time, and without a fuss."""
    caplog.set_level(logging.DEBUG, "worker")
    monkeypatch.setattr("app.server.connections.connection_table._HEAD_S", 0.05)
    with connect(address) as client:
        client.send(sent)
        with contextlib.suppress(ConnectionResetError):
            client.rest()
    until(lambda: not secure.doing()["open"])

    (record,) = [one for one in caplog.records if "handshake" in one.message]
    assert "DEBUG" == record.levelname


def test_those_who_do_not_agree_take_nobodys_place(secure, address, call):
    """They count as connections that do little."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(9)]
        until(lambda: secure.doing()["open"] == 3)
        for client in silent[:6]:
            with contextlib.suppress(ConnectionResetError):
                assert b"" == client.rest()
        with call() as client:
            assert b"seven" == client.ask(post()).body


# gunicorn's private parts.

PARTS = {
    ASGIProtocol: "_arm_keepalive_timer _body_receiver _build_http_scope _callback_parser "
    "_cancel_keepalive_timer _close_transport _closed _current_request _feed_callback_parser "
    "_flow_control _forwarded_trust _is_ssl _is_websocket_upgrade _keepalive_timeout "
    "_maybe_resume_reading _on_body _on_headers_complete _on_message_complete _pause_reading "
    "_request_ready _resume_reading _safe_write _secure_names _send_error_response "
    "_serve_http_request _will_close",
    BodyReceiver: "_body_finished _body_wait_expired _buffered _chunks _complete _wake_waiter",
    PythonProtocol: "_buffer _chunk_remaining _state feed headers http_version is_chunked "
    "remaining",
    DirtyArbiter: "_run_async _server _shutdown alive",
    DirtyWorker: "_run_async _server _shutdown alive",
    ASGIWorker: "_quick_shutdown _serve handle_exit_signal handle_quit_signal load_wsgi loop",
}
"""Those that the subclasses stand on; one that has moved fails here, and not in service."""


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in PARTS.items() for name in names.split()]
)
def test_gunicorn_has_the_parts_that_are_used(owner, name):
    """By the name that it has in the version this was written for."""
    assert hasattr(owner, name) or f"self.{name}" in inspect.getsource(owner), (
        f"gunicorn's {owner.__name__} has no {name} any more: "
        "app.server.connections.http_connection, app.server.interrupts or "
        "app.server.worker is to be changed with it"
    )


def test_no_other_private_part_is_used():
    """The list above is whole."""
    tree = ast.parse(Path(app.server.connections.http_connection.__file__).read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    own = {"_chunks", "_half_closed", "_lingering", "_parse"}
    own |= {"_parse_slices", "_received", "_refuse", "_refused", "_unparsed"}
    own |= {"_known", "_take_known", "_write_response"}
    listed = {name for names in PARTS.values() for name in names.split()}

    assert set() == {name for name in used if name[0] == "_" and name[1] != "_"} - own - listed


@pytest.mark.parametrize(
    ("mine", "theirs"), [(HttpConnection, ASGIProtocol), (WebWorker, ASGIWorker)]
)
def test_what_is_overridden_is_called_as_before(mine, theirs):
    """With the same arguments in the same order."""
    for name in vars(mine).keys() & vars(theirs).keys() - {"__init__", "__doc__", "__module__"}:
        ours, was = (list(inspect.signature(vars(one)[name]).parameters) for one in (mine, theirs))
        assert [one.strip("_") for one in was] == [one.strip("_") for one in ours], name


def test_the_scheme_is_decided_before_a_request(worker):
    """By these two, of which gunicorn asks nothing else."""
    assert {"_forwarded_trust", "_secure_names"} <= vars(ASGIProtocol(worker)).keys()
    assert "headers" in dir(CallbackRequest)
    assert "trust" in inspect.signature(_RequestHeaderPolicy.apply).parameters
