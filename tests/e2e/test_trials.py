"""A version that misbehaves harms nobody: not in its trial, and not for long after it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.benchmarks.scenarios.variants import publish
from tests.service import PATIENCE_S, REST_S, Clients, wait_until

TOKEN = "a-token-for-the-tests"  # noqa: S105 - of no service but this one
WHITE = {"instances": [[[255] * 28] * 28]}


def refusal(service, version):
    """Return why a version is refused; None while it is not."""
    versions = service.get("/models/mnist").json()["versions"]
    return next(
        (v["reason"] for v in versions if (v["version"], v["state"]) == (version, "refused")), None
    )


def trial_pids(service):
    """Return the processes in which versions are tried."""
    found = []
    for pid in service.pids():
        try:
            if b"app.host.loading.trial_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_version_that_never_ends_is_refused(start, store):
    """The service answers all the while, and operators are not kept waiting."""
    service = start(trial_timeout_s=3, admin_token=TOKEN)
    host = service.host_pid()
    with Clients(service, 4, rest_s=REST_S) as clients:
        number = publish(store, "mnist", "endless")
        wait_until(lambda: trial_pids(service), "a trial")
        answer = service.post(
            "/models/mnist/pin",
            {"version": 1},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        reason = wait_until(lambda: refusal(service, number), "the version refused")
        clients.wait_for_more()

    assert 200 == answer.status_code, answer.text
    assert reason.startswith("its trial had not ended after 3 s (GLYPH_TRIAL_TIMEOUT_S)")
    assert ([], {1}) == (clients.failures, set(clients.versions))
    assert host == service.host_pid()
    assert reason == store.control("mnist").quarantined[number].reason


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trial_that_is_killed_is_begun_again(start, store, number):
    """The version is good; that its trial was killed says nothing about it."""
    service = start()
    version = publish(store, "mnist", "good-1")
    (pid,) = wait_until(lambda: trial_pids(service), "a trial")
    os.kill(pid, number)
    wait_until(lambda: service.version() == version, "the version serves")

    assert {} == store.control("mnist").quarantined


def test_a_version_that_hangs_on_an_input_is_given_up(start, store):
    """After it has ended two hosts; then the one before it serves again."""
    service = start(host_timeout_s=2)
    number = publish(store, "mnist", "endless-on-white")
    wait_until(lambda: service.version() == number, "the new version serves")
    statuses = []

    def is_given_up():
        statuses.append(
            service.predict(WHITE, headers={"X-Request-Timeout-Ms": "3000"}).status_code
        )
        return refusal(service, number)

    reason = wait_until(is_given_up, "the version given up", 4 * PATIENCE_S)

    assert "without an end; that ended the model host 2 times" in reason
    assert 1 == service.version()
    assert 200 == service.predict(WHITE).status_code
    assert statuses
