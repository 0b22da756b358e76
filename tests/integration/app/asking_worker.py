"""A web worker as the model host sees it: a channel, asked from threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.web.host_client.blocking import BlockingHost
from app.web.host_client.client import HostChannel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loop_thread import LoopThread


class AskingWorker(BlockingHost):
    """Connects at once, and until it is closed."""

    def __init__(self, loop: LoopThread, run_dir: Path, largest_frame: int) -> None:
        super().__init__(HostChannel(run_dir / "host.sock", largest_frame), loop.loop)
        self._thread = loop
        loop.call(self._channel.start)

    def close(self) -> None:
        self._thread.call(self._channel.close)
