"""gunicorn's configuration, made from the settings: web workers, and the model host beside them."""

from __future__ import annotations

import os
import ssl
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.access.starting import warning_of_open_door
from app.cores import usable_cores
from app.greeting import greeting
from app.logs import logging_config
from app.run_dir import make_run_dir, remove_run_dir
from app.settings import load_settings, misspelt
from app.start.checks import check_start
from app.start.open_files import connections_within_limit

if TYPE_CHECKING:
    from collections.abc import Callable

if not sys.warnoptions:
    # What callers send can cause them (an array whose header Python 2 wrote), of any wording, and
    # beside other threads they cannot be turned off where that is read.
    warnings.simplefilter("ignore")

_settings = load_settings()
check_start(_settings)
make_run_dir(_settings.run_dir)

bind = [bind.text for bind in _settings.binds]
# gunicorn keeps a pid file of this name: one per service.
proc_name = f"glyph-{_settings.binds[0].text}"
workers = _settings.count_web_workers(usable_cores())
worker_class = "app.gunicorn_worker.WebWorker"
worker_connections = connections_within_limit()
backlog = 2048
keepalive = _settings.keepalive_s
timeout = 30
graceful_timeout = _settings.graceful_timeout_s
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats only
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# gunicorn would believe any program on this machine that a request came over TLS, or for which
# script it is. The application knows the proxies that are to be believed.
forwarded_allow_ips = ""
certfile = str(_settings.tls_cert) if _settings.tls_cert else None
keyfile = str(_settings.tls_key) if _settings.tls_key else None
control_socket_disable = True  # nothing needs it, and it could stop the service

dirty_apps = ["app.host.process:ModelHost"]
dirty_workers = 1
# The arbiter looks once a second, and the next host takes two or three to start. The host's heart
# beats once a second, so that less than two would be chance.
dirty_timeout = max(2, round(0.6 * _settings.host_timeout_s))
# The host outlives the web workers, which may take all of their time to finish.
dirty_graceful_timeout = _settings.graceful_timeout_s + 5

logger_class = "app.logs.GunicornLogger"
logconfig_dict = logging_config(_settings.log_level, _settings.log_format)


_masters: list[Any] = []


def on_starting(server: Any) -> None:
    """Point out variables that set nothing because of a slip."""
    _masters.append(server)
    for name, meant in misspelt(os.environ).items():
        server.log.warning("%s is no setting, and is ignored; %s is one", name, meant)
    if warning := warning_of_open_door(_settings):
        server.log.warning("%s", warning)


def ssl_context(_config: Any, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Speak TLS 1.2 and later, whatever the system's OpenSSL would do."""
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def on_dirty_starting(_arbiter: Any) -> None:
    """Close what the host and its supervisor inherit and would keep open to the end.

    Connections would go on to be taken in when no web worker is left to serve them.
    """
    for server in _masters:
        for listener in server.LISTENERS:
            listener.close()


def dirty_post_fork(_arbiter: Any, worker: Any) -> None:
    """Have a host that hangs killed at once: it would not hear that it is to abort."""
    worker.aborted = True


def dirty_worker_init(worker: Any) -> None:
    """Start the host, in its own process."""
    for host in worker.apps.values():
        host.begin(worker.notify)


def when_ready(_server: Any) -> None:
    """Greet people who started the service on a terminal."""
    if sys.stdout.isatty():
        print(greeting(_settings.binds, tls=certfile is not None), flush=True)  # noqa: T201


def on_exit(_server: Any) -> None:
    """Remove the socket and the counters."""
    remove_run_dir()
