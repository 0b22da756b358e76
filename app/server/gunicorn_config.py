"""gunicorn's configuration, created from the settings: web workers, and the model host."""

from __future__ import annotations

import os
import ssl
import sys
import warnings
from typing import TYPE_CHECKING, Any

from app.config.cpu import usable_cores
from app.config.host_trouble import end_host_trouble, note_host_trouble
from app.config.loading import keep_settings, load_settings, misspelt, reload_settings
from app.config.run_dir import current_run_dir, make_run_dir_or_exit, remove_run_dir
from app.server.announcement import Announcement
from app.server.interrupts import heed_interrupts, hold_interrupts, obey_early_end
from app.server.memory_allocator import return_large_blocks
from app.server.startup_checks.access import warning_of_open_door
from app.server.startup_checks.checks import check_start
from app.server.startup_checks.open_files import connections_within_limit
from app.server.startup_checks.tls_files import TlsFileError
from app.server.supervision import Supervision, settle_temporary_files
from app.telemetry.logs import left_out_notice, logging_config
from app.telemetry.nonblocking_output import never_wait
from model_store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

if not sys.warnoptions:
    # What callers send can cause them (an array whose header Python 2 wrote), of any wording, and
    # beside other threads they cannot be turned off where that is read.
    warnings.simplefilter("ignore")

_settings = load_settings()
keep_settings(_settings)
_held = check_start(_settings)
make_run_dir_or_exit(_settings.run_dir)
_log_config = logging_config(_settings.log_level, _settings.log_format)
never_wait(left_out_notice(_log_config))

bind = [bind.text for bind in _settings.binds]
# gunicorn keeps a pid file of this name: one per service.
proc_name = f"glyph-{_settings.binds[0].text}"
workers = _settings.count_web_workers(usable_cores())
worker_class = "app.server.worker.WebWorker"
worker_connections = connections_within_limit()
backlog = 2048
keepalive = _settings.keepalive_s
asgi_loop = "uvloop"
asgi_lifespan = "on"
http_parser = "python"  # gunicorn_h1c's refusals are worded otherwise, and are not tested here
# A client that goes away takes its request with it at once.
asgi_disconnect_grace_period = 0
timeout = 30
graceful_timeout = _settings.graceful_timeout_s
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# gunicorn would believe any program on this machine that a request came over TLS, or for which
# script it is. The application knows the proxies that are to be believed.
forwarded_allow_ips = ""
certfile = str(_held.certificate) if _held else None
keyfile = str(_held.key) if _held else None
control_socket_disable = True  # nothing needs it, and it could stop the service

dirty_apps = ["app.host.process:ModelHost"]
dirty_workers = 1
# The arbiter looks once a second, and the next host takes two or three to start. The host's heart
# beats once a second, so that less than two would be chance.
dirty_timeout = max(2, round(0.6 * _settings.host_timeout_s))
# The host outlives the web workers, which may take all of their time to finish.
dirty_graceful_timeout = _settings.graceful_timeout_s + 5

logger_class = "app.telemetry.logs.GunicornLogger"
logconfig_dict = _log_config


_BOOT_ERROR = 3
"""gunicorn's exit code of a process that could not start."""
_masters: list[Any] = []
_supervision = Supervision()
_announcement = Announcement(_settings.binds, tls=certfile is not None)


def on_starting(server: Any) -> None:
    """Set the memory allocator, and warn of misspelt settings and of an open door."""
    hold_interrupts()
    return_large_blocks()
    _masters.append(server)
    _supervision.of_master(server)
    for name, meant in misspelt(os.environ).items():
        server.log.warning("unknown setting %s is ignored; did you mean %s?", name, meant)
    if warning := warning_of_open_door(_settings):
        server.log.warning("%s", warning)


def on_reload(server: Any) -> None:
    """Read the files of settings again, or keep their last valid content."""
    kept = "what was good before is kept until the next SIGHUP"
    if problem := reload_settings():
        server.log.error("%s; %s", problem, kept)
    if _held is None or _settings.tls_cert is None or _settings.tls_key is None:
        return
    try:
        _held.take(_settings.tls_cert, _settings.tls_key)
    except (TlsFileError, OSError) as exc:
        server.log.error("certificate not reloaded: %s; %s", exc, kept)  # noqa: TRY400 - no bug


def pre_fork(_server: Any, worker: Any) -> None:
    """Record when a web worker is started."""
    _supervision.begins(worker)


def post_fork(_server: Any, worker: Any) -> None:
    """Prepare a web worker, in its own process."""
    _supervision.starts(worker)


def post_worker_init(worker: Any) -> None:
    """Record that a web worker can serve, and have it announce that a version does."""
    worker.announce = _announcement.ready
    _supervision.serves()


def child_exit(server: Any, worker: Any) -> None:
    """Record that a web worker ended. Nothing is imported here: the master's forks inherit it."""
    _supervision.web_worker_ended(server, worker)


def ssl_context(_config: Any, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Speak TLS 1.2 and later, whatever the system's OpenSSL would do."""
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def on_dirty_starting(arbiter: Any) -> None:
    """Close what the host and its supervisor inherit and would keep open to the end.

    Connections would go on to be taken in when no web worker is left to serve them.
    """
    _supervision.of_arbiter(arbiter)
    obey_early_end(arbiter)
    for server in _masters:
        for listener in server.LISTENERS:
            listener.close()


def dirty_post_fork(_arbiter: Any, worker: Any) -> None:
    """Make gunicorn kill a hanging host at once: it would not handle an abort."""
    worker.aborted = True
    _supervision.begins(worker)


def dirty_worker_exit(arbiter: Any, worker: Any) -> None:
    """Record that the host ended."""
    _supervision.host_ended(arbiter, worker)


def dirty_worker_init(worker: Any) -> None:
    """Start the host, in its own process."""
    settle_temporary_files()
    obey_early_end(worker)
    try:
        for host in worker.apps.values():
            host.begin(worker.notify, worker.ppid)
        end_host_trouble(current_run_dir())
    except Exception as exc:
        note_host_trouble(current_run_dir(), str(exc) or type(exc).__name__)
        if not isinstance(exc, OSError | StoreError):
            raise  # a bug, whose traceback is wanted
        worker.log.error("the model host cannot start: %s", exc)  # noqa: TRY400 - likewise
        raise SystemExit(_BOOT_ERROR) from None


def when_ready(_server: Any) -> None:
    """Heed Ctrl-C from now on: the master handles it, and the model host was started before."""
    heed_interrupts()
    _announcement.starting()


def on_exit(_server: Any) -> None:
    """Remove the socket and the counters."""
    remove_run_dir()
    _announcement.ended()
