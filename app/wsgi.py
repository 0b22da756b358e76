"""The application as gunicorn finds it, put together once in every web worker."""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import gevent
from prometheus_client import CollectorRegistry

from app.metrics_files import join_dead
from app.run_dir import HOST_SOCKET, LIMITS, METRICS_DIR, current_run_dir
from app.settings import load_settings
from app.web.channel import HostChannel
from app.web.factory import create_app
from app.web.metrics import WRITE_EVERY_S, WebMetrics
from app.web.pictures.reading import PictureReader

_SWITCH_S = 0.0005
"""How long the event loop may wait for a thread that reads a picture; Python's usual is ten times
as long."""
_JOIN_EVERY_S = 1.0
"""How often dead workers' counts are joined."""

settings = load_settings()
metrics = WebMetrics(CollectorRegistry())
channel = HostChannel(
    current_run_dir() / HOST_SOCKET,
    settings.largest_frame_bytes,
    silence_s=settings.host_timeout_s,
    on_shed=metrics.shed,
)
channel.start()
sys.setswitchinterval(_SWITCH_S)
reader = PictureReader(on_shed=metrics.shed, most_bytes=settings.frame_bounds.pixels)
app = create_app(settings, channel, metrics, reader=reader, counts=current_run_dir() / LIMITS)


def _keep_metrics() -> None:
    files, join_at = Path(os.environ[METRICS_DIR]), 0.0
    while True:
        if time.monotonic() >= join_at:
            join_at = time.monotonic() + _JOIN_EVERY_S
            with suppress(OSError):  # whoever counts reports what is wrong with the files
                join_dead(files)
        metrics.write()
        gevent.sleep(WRITE_EVERY_S)


gevent.spawn(_keep_metrics)
atexit.register(metrics.write)
atexit.register(reader.close)
