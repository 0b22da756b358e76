"""Starting and stopping as people meet it: on a terminal, in a container, and with Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time

import pytest

from tests.service import PATIENCE_S, ROOT, SERVE, Service, free_port


@pytest.fixture
def environment(store):
    """Return what a service starts with."""
    store.seed_as_passed()
    settings = {"store": store.root, "bind": f"127.0.0.1:{free_port()}", "web_workers": 2}
    return os.environ | {f"GLYPH_{k.upper()}": str(v) for k, v in settings.items()}


def test_in_a_container_the_log_tells_of_readiness_and_of_the_end(start):
    """Once each, with the address, however many web workers there are."""
    service: Service = start(web_workers=2)
    service.stop()

    told = [line for line in service.log_lines() if line["logger"] == "app.server.announcement"]
    assert [f"ready at {service.url}", f"ended at {service.url}"] == [
        line["message"] for line in told
    ]


def test_on_a_terminal_it_tells_when_it_is_ready_and_what_to_try(environment):
    """Its page, its docs and a request; Ctrl-C ends it."""
    url = f"http://{environment['GLYPH_BIND']}"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        SERVE, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    while b"Ctrl-C ends it." not in shown:
        shown += os.read(ours, 4096)
    os.killpg(process.pid, signal.SIGINT)
    assert 0 == process.wait(PATIENCE_S)
    os.close(ours)

    text = shown.decode().replace("\r\n", "\n")
    assert f"\nGlyph is ready at {url}\n\n  Page  {url}/\n  Docs  {url}/docs\n  Try " in text


def heed():
    """Take Ctrl-C: what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("moment_s", [0.3, 0.6, 1, 1.5, 2.5, 4])
def test_ctrl_c_ends_it_at_any_moment(environment, moment_s):
    """Within the grace period, and without a traceback."""
    process = subprocess.Popen(
        SERVE,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed,  # noqa: PLW1509 - no threads run here
    )
    time.sleep(moment_s)
    os.killpg(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode in {0, 130}
    assert [] == [word for word in ("Traceback", "Exception", "signal 9") if word in told], told
