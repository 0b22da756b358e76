"""Real starts that can never serve: each ends at once with one line, and leaves nothing behind."""

from __future__ import annotations

import os
import resource
import socket
import subprocess

import pytest

from tests.service import GUNICORN, ROOT, SERVE, free_port

LONG = "x" * 110


def start(command=SERVE, files=None, **settings):
    """Start the service, and wait for its end."""
    values = {"bind": f"127.0.0.1:{free_port()}"} | settings
    environment = os.environ | {f"GLYPH_{k.upper()}": str(v) for k, v in values.items()}

    def limit():
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line(done, beginning):
    """Check that a start ended as a wrong setting's does."""
    assert (2, "") == (done.returncode, done.stdout), done.stderr
    assert 1 == len(done.stderr.splitlines()), done.stderr
    assert done.stderr.startswith(f"glyph: {beginning}"), done.stderr


@pytest.mark.parametrize("command", [SERVE, GUNICORN], ids=["glyph serve", "gunicorn"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", "foo://bucket"),
        ("store", "file://"),
        ("run_dir", f"/dev/shm/{LONG}"),  # noqa: S108 - it is not made
        ("bind", "no-such-host.invalid:80"),
        ("max_batch", "many"),
    ],
)
def test_a_setting_that_can_never_work(command, name, value):
    """However the service is started."""
    assert_one_line(start(command, **{name: value}), f"GLYPH_{name.upper()}={value!r}: ")


def test_a_port_that_is_in_use():
    """It is told at once, and is not tried again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"

        assert_one_line(start(bind=bind), f"GLYPH_BIND='{bind}': {bind} is in use; ")


def test_too_few_open_files():
    """No worker could ever serve."""
    assert_one_line(
        start(files=16), "the hard limit on open files (RLIMIT_NOFILE, ulimit -n) is 16"
    )
