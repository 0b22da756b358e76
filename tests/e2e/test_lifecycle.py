"""Processes that die, hang or are told to stop while clients are there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time

import requests

from tests.service import REST_S, Clients, wait_until

SAFETY_S = 30
"""How long a client waits; no answer takes that long."""
TOO_LARGE = re.compile(
    r"the model host ends, and another is started: "
    r"the model host takes \d+ MiB of memory; the limit is 128 \(GLYPH_HOST_MEMORY_MIB\)"
)


def test_a_killed_host_costs_no_answer(start):
    """What was in flight is sent again to the next host, three times in a row."""
    service = start()

    with Clients(service, 16) as clients:
        for restarts in (1, 2, 3):
            clients.wait_for_more()
            os.kill(service.host_pid(), signal.SIGKILL)
            clients.wait_for_more()
            assert restarts == service.metric("glyph_host_restarts_total")

    assert [] == clients.failures


def test_a_frozen_host_is_replaced(start):
    """No request is refused meanwhile: all are answered by the next host."""
    service = start(host_timeout_s=4)
    frozen = service.host_pid()

    with Clients(service, 4) as clients:
        clients.wait_for_more(20)
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: not _lives(frozen), "the frozen host is gone")
        service.ready()
        clients.wait_for_more(20)

    assert [] == clients.failures


def test_a_host_that_was_frozen_for_a_while_goes_on(start):
    """It is late, not gone: the service stays ready, and nothing is refused or sent again."""
    service = start(host_timeout_s=60)
    host = service.host_pid()

    with Clients(service, 4) as clients:
        clients.wait_for_more()
        os.kill(host, signal.SIGSTOP)
        end = time.monotonic() + 2
        readiness = {200}
        while time.monotonic() < end:
            readiness.add(service.get("/readyz").status_code)
        os.kill(host, signal.SIGCONT)
        clients.wait_for_more()

    assert [] == clients.failures
    assert {200} == readiness
    assert host == service.host_pid()


def test_workers_that_start_while_the_host_is_frozen_say_so(start):
    """The kernel connects them to a host that says nothing; it is waited for to the deadline."""
    service = start(host_timeout_s=60)
    host, doomed = service.host_pid(), service.worker_pids()
    os.kill(host, signal.SIGSTOP)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(_lives, doomed)), "the workers are gone")
    service.alive()
    impatient = {"X-Request-Timeout-Ms": "100"}
    answers = [service.predict({"instances": []}, headers=impatient) for _ in range(4)]
    os.kill(host, signal.SIGCONT)
    service.ready()

    assert 1 == service.version()
    expected = ("the model host is being started", "1")
    assert [expected] * 4 == [_refused(answer) for answer in answers]


def test_a_host_that_takes_too_much_memory_is_replaced(start):
    """Even where the limit is below its need: no answer is lost, and the log says why."""
    service = start(host_memory_mib=128, log_format="json")
    host = service.host_pid()

    with Clients(service, 16, rest_s=REST_S) as clients:
        wait_until(lambda: not _lives(host), "the host is gone")
        clients.wait_for_more()

    assert [] == clients.failures
    assert 1 == service.metric("glyph_host_restarts_total")
    (told,) = [line["message"] for line in service.log_lines() if "MiB" in line["message"]]
    assert TOO_LARGE.fullmatch(told)


def test_a_killed_worker_is_replaced_and_its_counts_stay(start, tmp_path):
    """Requests go on, no counter goes down, and no file is left of each dead worker."""
    service = start(run_dir=tmp_path / "run")

    def counted():
        return service.metric("glyph_http_requests_total", route="/predict", status="200")

    for _ in range(20):
        service.version()
    wait_until(lambda: counted() == 20, "every worker has written its counts")
    doomed = service.worker_pids()

    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(service.worker_pids()) - set(doomed)) == 2, "two new workers")
    service.alive()

    assert 1 == service.version()
    wait_until(lambda: counted() == 21, "the counts go on from where they were")
    files = [path.name for path in (tmp_path / "run" / "metrics").glob("counter_*.db")]
    assert "counter_dead.db" in files
    assert not {f"counter_{pid}.db" for pid in doomed} & set(files)


def test_a_worker_and_the_host_may_die_at_once(start):
    """Only the requests of the worker's own connections fail, and all goes on."""
    service = start()

    with Clients(service, 16) as clients:
        clients.wait_for_more()
        doomed, *_ = service.worker_pids()
        host = service.host_pid()
        for pid in (doomed, host):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not _lives(doomed), "the worker is gone")
        clients.wait_for_more(400)

    assert {requests.ConnectionError} >= {type(failure) for failure in clients.failures}
    assert 16 >= len(clients.failures)
    assert host != service.host_pid()
    assert 1 == service.metric("glyph_host_restarts_total")


def test_a_removed_socket_is_bound_anew(start, tmp_path):
    """Workers that start later find the host, which was not replaced for it."""
    service = start(run_dir=tmp_path / "run")
    host, doomed = service.host_pid(), service.worker_pids()
    (tmp_path / "run" / "host.sock").unlink()
    wait_until((tmp_path / "run" / "host.sock").exists, "the socket is there again")
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(service.worker_pids()) - set(doomed)) == 2, "two new workers")
    service.ready()

    assert 1 == service.version()
    assert host == service.host_pid()


def test_a_killed_arbiter_is_replaced_and_leaves_no_host_behind(start):
    """The host's supervisor may die too: requests go on, and the orphaned host ends."""
    service = start()
    orphan = service.host_pid()

    with Clients(service, 4) as clients:
        clients.wait_for_more(20)
        os.kill(service.arbiter_pid(), signal.SIGKILL)
        wait_until(lambda: not _lives(orphan), "the orphan is gone")
        clients.wait_for_more(20)

    assert [] == clients.failures


def test_sigterm_finishes_what_was_begun(start, tmp_path):
    """Every connection gets its last answer, the exit code is 0, and nothing is left behind."""
    run_dir = tmp_path / "run"
    service = start(run_dir=run_dir)

    with Clients(service, 16, leave_when_closed=True) as clients:
        clients.wait_for_more()
        code = service.stop()

    assert 0 == code
    assert not run_dir.exists()
    assert [] == clients.failures


def test_sigterm_answers_every_connection_that_it_takes(start):
    """A new connection is served whole or refused, and readiness goes first."""
    service = start()
    request = _prediction(service)
    answers, ready = [], []

    def ask_until_refused():
        while (answer := _exchange(service.port, request)) is not None:
            answers.append(answer)

    def ask_whether_ready():
        probe = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        while (answer := _exchange(service.port, probe)) is not None:
            ready.append(answer)

    threads = [threading.Thread(target=ask_until_refused) for _ in range(16)]
    threads.append(threading.Thread(target=ask_whether_ready))
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) > 100, "answers")
    code = service.stop()
    for thread in threads:
        thread.join()

    assert 0 == code
    assert {b"HTTP/1.1 200 OK"} == {answer.split(b"\r\n")[0] for answer in answers}
    assert ready[-1].startswith(b"HTTP/1.1 503 ")
    assert b"shutting down" in ready[-1]


def test_sighup_loses_no_request(start):
    """Every web worker is replaced, three times, while clients go on; the host stays."""
    service = start()
    host = service.host_pid()
    request = _prediction(service)
    answers, done = [], threading.Event()

    def ask_over_new_connections():
        while not done.is_set():
            answers.append(_exchange(service.port, request))

    threads = [threading.Thread(target=ask_over_new_connections) for _ in range(8)]
    with Clients(service, 8) as clients:
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = service.worker_pids()
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda gone=before: not any(map(_lives, gone)), "all were replaced")
            clients.wait_for_more()
        done.set()
        for thread in threads:
            thread.join()

    assert [] == clients.failures
    assert {b"HTTP/1.1 200 OK"} == {(answer or b"refused").split(b"\r\n")[0] for answer in answers}
    assert host == service.host_pid()


def _prediction(service):
    """Write a request for a prediction over a connection of its own."""
    body = json.dumps(service.get("/example").json()).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/json\r\nConnection: close\r\n\r\n".encode() + body


def _exchange(port, request):
    """Send a request over a connection of its own; None where nobody listens any more."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=SAFETY_S)
    except ConnectionRefusedError:
        return None
    with connection:
        try:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b"")) or b"closed"
        except OSError as exc:
            return repr(exc).encode()


def _refused(answer):
    """Return the message and the wait of a 503; None for another answer."""
    if answer.status_code != 503:
        return None
    return answer.json()["error"], answer.headers["Retry-After"]


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
