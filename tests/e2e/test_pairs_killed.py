"""Two processes killed one after another, in every order, with a change of the service between."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import ssl

import pytest

from tests.benchmarks.scenarios.chaos.family import family_of, lives, strangers_of
from tests.certificates import make_certificate
from tests.service import wait_until

ROLES = ("worker", "arbiter", "host")
PAIRS = list(itertools.product(ROLES, repeat=2))
WORKERS = 2


def reload_only(_service, _place):
    """Have the web workers replaced."""


def renew_certificate(_service, place):
    """Put another good certificate in place of the one in use."""
    make_certificate(place)


def break_certificate(_service, place):
    """Put what is no certificate in place of the one in use."""
    (place / "cert.pem").write_text("no certificate")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("change", [reload_only, renew_certificate, break_certificate])
def test_any_two_processes_may_die_around_a_reload(start, tmp_path, change):
    """Whichever dies before SIGHUP and whichever after it, all are there again and answer."""
    certificate = make_certificate(tmp_path / "tls")
    run_dir = tmp_path / "run"
    service = start(certificate=certificate, run_dir=run_dir, request_timeout_ms=5000)
    example = service.get("/example").content

    for first, second in PAIRS:
        make_certificate(tmp_path / "tls")
        wait_until(lambda: is_whole(service), "no process is missing")
        kill(service, first)
        change(service, tmp_path / "tls")
        service.process.send_signal(signal.SIGHUP)
        kill(service, second)
        wait_until(
            lambda: is_whole(service) and all(answered(service, example) for _ in range(8)),
            f"answers after {first}, {change.__name__} and {second}",
        )
        wait_until(lambda: not strangers_of(service.process.pid, run_dir), "no host is an orphan")

    assert 0 == service.stop()


def kill(service, role):
    """Kill a process of a role, as soon as there is one."""
    members = wait_until(lambda: find(service).members(role), f"there is a {role}")
    with contextlib.suppress(ProcessLookupError):  # it has just ended for another reason
        os.kill(members[0], signal.SIGKILL)
    wait_until(lambda: not lives(members[0]), f"the {role} is gone")


def find(service):
    """Look at the service's processes."""
    return family_of(service.process.pid, service.port)


def is_whole(service):
    """Return whether no process is missing."""
    family = find(service)
    return family.host is not None and len(family.workers) == WORKERS


def answered(service, example):
    """Return whether a new connection gets a prediction, whichever certificate is in use."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=60, context=context)
    try:
        connection.request("POST", "/predict", example, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
