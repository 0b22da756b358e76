"""Assembles the parts of a web worker, once per process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from app.config.loading import load_settings
from app.config.run_dir import HOST_SOCKET, LIMITS, METRICS_DIR, current_run_dir
from app.server.front.asgi_front import AsgiFront
from app.server.front.fast_path import FastPath
from app.telemetry.multiprocess import join_dead
from app.web.factory import create_app, traffic_of
from app.web.host_client.blocking import BlockingHost
from app.web.host_client.client import HostChannel
from app.web.http.repeating_task import repeat
from app.web.inputs.picture_reader import PictureReader
from app.web.middleware.metrics import WRITE_EVERY_S, WebMetrics

if TYPE_CHECKING:
    from app.web.http.flask_app import FlaskApp

_SWITCH_S = 0.0005
"""How long the event loop may wait for a thread that runs Python; Python's usual is ten times as
long."""
_JOIN_EVERY_S = 1.0
"""How often dead workers' counts are joined."""


class WebParts:
    """The applications of a web worker, and what runs beside them on its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Assemble the parts by the settings.

        Args:
            loop: Runs the front, and asks the model host for the Flask application's threads.
        """
        settings = load_settings()
        sys.setswitchinterval(_SWITCH_S)
        self._metrics = WebMetrics(CollectorRegistry())
        self._channel = HostChannel(
            current_run_dir() / HOST_SOCKET,
            settings.largest_frame_bytes,
            silence_s=settings.host_timeout_s,
            on_shed=self._metrics.shed,
        )
        self._reader = PictureReader(
            on_shed=self._metrics.shed, most_bytes=settings.frame_bounds.pixels
        )
        self._join_at = 0.0
        traffic = traffic_of(settings, self._metrics)
        timeout_ms, most_bytes = settings.request_timeout_ms, settings.max_body_bytes
        self.flask: FlaskApp = create_app(
            settings,
            BlockingHost(self._channel, loop),
            self._metrics,
            reader=self._reader,
            counts=current_run_dir() / LIMITS,
        )
        """Answers every route, as WSGI."""
        fast_path = FastPath(
            self._channel,
            traffic,
            timeout_ms=timeout_ms,
            max_images=settings.max_images,
            max_body_bytes=most_bytes,
        )
        self.front = AsgiFront(
            self.flask,
            fast_path if settings.fast_path == "on" else None,
            time.monotonic,
            timeout_ms=timeout_ms,
            max_body_bytes=most_bytes,
        )
        """Answers every route, as ASGI."""

    def start(self) -> None:
        """Connect to the model host, and write metrics; called on the event loop."""
        self._channel.start()
        writing = repeat(self._write_metrics, "writing metrics")
        self._writing = asyncio.get_running_loop().create_task(writing)

    @property
    def ready(self) -> bool:
        """Whether a version serves."""
        return self._channel.status.ready

    def stop(self) -> None:
        """Fail the requests that wait for the model host, and stop; likewise called there."""
        self._writing.cancel()
        self._channel.close()
        self._reader.close()
        self._metrics.write()

    async def _write_metrics(self) -> None:
        if time.monotonic() >= self._join_at:
            self._join_at = time.monotonic() + _JOIN_EVERY_S
            with suppress(OSError):  # /metrics reports what is wrong with the files
                join_dead(Path(os.environ[METRICS_DIR]))
        self._metrics.write()
        await asyncio.sleep(WRITE_EVERY_S)
