"""What gunicorn is told, as deployment relies on it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.certificates import make_certificate


def test_the_defaults(gunicorn_config):
    """Workers on uvloop and one model host, bounded, with no door but the address."""
    config = gunicorn_config()

    assert "app.server.worker.WebWorker" == config["worker_class"]
    assert "uvloop" == config["asgi_loop"]
    assert 1 <= config["workers"] <= 4
    assert ["127.0.0.1:8000"] == config["bind"]
    assert ["app.host.process:ModelHost"] == config["dirty_apps"]
    assert 1 == config["dirty_workers"]
    assert config["control_socket_disable"] is True
    assert "app.telemetry.logs.GunicornLogger" == config["logger_class"]
    assert 30 == config["timeout"]
    assert 6 == config["dirty_timeout"]
    assert 20 == config["graceful_timeout"]
    assert 75 == config["keepalive"]
    assert (None, None) == (config["certfile"], config["keyfile"])


def test_no_program_of_this_machine_is_believed_to_be_a_proxy(gunicorn_config):
    """By itself, gunicorn takes scheme and script from headers that come over loopback."""
    assert "" == gunicorn_config()["forwarded_allow_ips"]
    assert "" == gunicorn_config(trusted_proxies="10.0.0.0/8")["forwarded_allow_ips"]


def test_a_certificate_reaches_gunicorn(tmp_path):
    """With its key; both are held in memory, where their files cannot break them."""
    cert, key = make_certificate(tmp_path)
    program = f"""
import os
os.environ |= {{"GLYPH_TLS_CERT": {cert!r}, "GLYPH_TLS_KEY": {key!r}}}
import app.server.gunicorn_config as config
print(open(config.certfile).read() == open({cert!r}).read())
print(open(config.keyfile).read() == open({key!r}).read())
"""

    assert "True\nTrue" == output_of(program, tmp_path)


FORKED = "app.server.worker, gunicorn.arbiter, gunicorn.dirty"


def test_the_master_imports_nothing_that_its_forks_must_not_inherit(tmp_path):
    """Not even when a worker has ended and SIGHUP has come; nor is there any thread."""
    program = f"""
import sys
from unittest.mock import MagicMock
import app.server.gunicorn_config as config
import {FORKED}
server, worker = MagicMock(WORKERS={{}}, num_workers=1), MagicMock()
config.on_starting(server)
for hook in (config.pre_fork, config.child_exit):
    hook(server, worker)
config.on_reload(server)
config.on_exit(server)
print(sorted({{"prometheus_client", "tensorflow", "openvino", "flask", "numpy", "cryptography"}}
             & set(sys.modules)))
import os
print(len(os.listdir("/proc/self/task")))
"""

    assert "[]\n1" == output_of(program, tmp_path)


def test_what_is_wrong_at_a_reload_is_told_and_not_taken(tmp_path):
    """A broken certificate or token would keep every new web worker from starting."""
    cert, key = make_certificate(tmp_path)
    token = tmp_path / "token"
    token.write_text("correct-horse-battery")
    program = f"""
import os
os.environ |= {{"GLYPH_TLS_CERT": {cert!r}, "GLYPH_TLS_KEY": {key!r}}}
os.environ |= {{"GLYPH_ADMIN_TOKEN_FILE": {str(token)!r}}}
from unittest.mock import MagicMock
import app.server.gunicorn_config as config
from app.config.loading import load_settings
good = open(config.certfile).read()
for path in ({cert!r}, {str(token)!r}):
    open(path, "w").write("broken")
server = MagicMock()
config.on_reload(server)
for call in server.log.error.call_args_list:
    print(call.args[0] % call.args[1:])
print(open(config.certfile).read() == good, load_settings().read_admin_token())
"""

    kept = "what was good before is kept until the next SIGHUP"
    assert (
        f"GLYPH_ADMIN_TOKEN_FILE='{token}': 16 to 256 printable ASCII characters without a space "
        f"are expected; {kept}\n"
        f"certificate not reloaded: {cert}: holds no certificate in PEM; {kept}\n"
        "True correct-horse-battery"
    ) == output_of(program, tmp_path)


def output_of(program, tmp_path):
    """Return the stdout and stderr of a program that reads the configuration."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GLYPH_", "PYTHONW"))}
    environment["GLYPH_RUN_DIR"] = str(tmp_path)
    command = [sys.executable, "-c", program]
    return subprocess.check_output(
        command, env=environment, text=True, stderr=subprocess.STDOUT
    ).strip()


def test_old_tls_is_not_spoken(tmp_path):
    """Whatever the system's OpenSSL would do."""
    program = """
import ssl
import app.server.gunicorn_config as config
context = config.ssl_context(None, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
print(context.minimum_version.name)
"""

    assert "TLSv1_2" == output_of(program, tmp_path)


def test_callers_cannot_cause_warnings(tmp_path):
    """They would be lines of any wording among those of the log."""
    program = """
import warnings
import app.server.gunicorn_config
warnings.warn("whatever")
"""

    assert "" == output_of(program, tmp_path)


def test_no_worker_is_replaced_on_schedule_or_made_from_a_loaded_master(gunicorn_config):
    """Neither max_requests nor preload_app is set: one drops connections, one forks a model."""
    assert not {"max_requests", "preload_app"} & set(gunicorn_config())


def test_a_host_may_always_miss_a_heartbeat(gunicorn_config):
    """However short the time is that is set."""
    assert 2 == gunicorn_config(host_timeout_s="2")["dirty_timeout"]


def test_settings_reach_gunicorn(gunicorn_config):
    """What an operator sets is what gunicorn does."""
    config = gunicorn_config(
        bind="0.0.0.0:80, unix:/run/glyph.sock",
        web_workers="3",
        host_timeout_s="7",
        graceful_timeout_s="60",
        keepalive_s="620",
    )

    assert ["0.0.0.0:80", "unix:/run/glyph.sock"] == config["bind"]
    assert "glyph-0.0.0.0:80" == config["proc_name"]
    assert 3 == config["workers"]
    assert 4 == config["dirty_timeout"]
    assert 60 == config["graceful_timeout"]
    assert 620 == config["keepalive"]


def test_the_host_and_its_supervisor_do_not_listen(tmp_path):
    """What they inherited is closed, else the kernel takes connections in that nobody serves."""
    program = """
import socket
from unittest.mock import MagicMock
import app.server.gunicorn_config as config
listener = socket.create_server(("127.0.0.1", 0))
def server():
    return MagicMock(LISTENERS=[listener])
config.on_starting(server())
config.on_dirty_starting(server())
print(listener.fileno())
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GLYPH_")}
    environment["GLYPH_RUN_DIR"] = str(tmp_path)
    command = [sys.executable, "-c", program]

    assert "-1" == subprocess.check_output(command, env=environment, text=True).strip()


def test_the_host_outlives_the_web_workers(gunicorn_config):
    """Requests that web workers finish at the end still have somebody to ask."""
    config = gunicorn_config(graceful_timeout_s="60")

    assert config["dirty_graceful_timeout"] > config["graceful_timeout"]
