"""The application as gunicorn finds it, put together once in every web worker."""

from __future__ import annotations

import atexit
import sys

import gevent
from prometheus_client import CollectorRegistry

from app.run_dir import HOST_SOCKET, LIMITS, current_run_dir
from app.settings import load_settings
from app.web.channel import HostChannel
from app.web.factory import create_app
from app.web.metrics import WRITE_EVERY_S, WebMetrics
from app.web.pictures.reading import PictureReader

_SWITCH_S = 0.0005
"""How long the event loop may wait for a thread that reads a picture; Python's usual is ten times
as long."""

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
reader = PictureReader(on_shed=metrics.shed)
app = create_app(settings, channel, metrics, reader=reader, counts=current_run_dir() / LIMITS)


def _write_metrics() -> None:
    while True:
        gevent.sleep(WRITE_EVERY_S)
        metrics.write()


gevent.spawn(_write_metrics)
atexit.register(metrics.write)
atexit.register(reader.close)
