"""An S3 server on this machine, and a gate before it that can be shut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import fsspec
import requests

from tests.service import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

BUCKET = "glyph"
LOCATION = f"s3://{BUCKET}/models"
"""Of the store."""
_KEY, _SECRET = "nobody", "nothing"
_PATIENCE_S = 10


class S3Server:
    """Moto's server with an empty bucket; leaving the block ends it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [Path(sys.executable).with_name("moto_server"), "--port", str(self.port)]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        wait_until(self._made_bucket, "the S3 server answers")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.resume()
        self.process.terminate()
        self.process.wait(_PATIENCE_S)

    def freeze(self) -> None:
        """Take connections and say nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after a freeze."""
        self.process.send_signal(signal.SIGCONT)

    def read(self, key: str) -> bytes:
        """Read an object."""
        content: bytes = self._files().cat_file(f"{BUCKET}/{key}")
        return content

    def write(self, key: str, content: bytes) -> None:
        """Replace an object, whatever anybody thinks of it."""
        self._files().pipe_file(f"{BUCKET}/{key}", content)

    def _files(self) -> fsspec.AbstractFileSystem:
        return fsspec.filesystem("s3", endpoint_url=self.url, key=_KEY, secret=_SECRET)

    def _made_bucket(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.put(f"{self.url}/{BUCKET}", timeout=_PATIENCE_S).ok
        return False


class Gate:
    """Forwards connections to a port, as long as it is open.

    It may let only so many bytes through to the server, and then nothing any more.
    """

    def __init__(self, port: int, most_bytes: float = float("inf")) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.held_back = threading.Event()
        """Set once there was more than it may let through."""
        self._left = most_bytes
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self) -> None:
        """Take connections."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_PATIENCE_S)

    def shut(self) -> None:
        """End all connections and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(_PATIENCE_S)

    async def _open(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Side(self._transports, self._begin), "127.0.0.1", self.port
        )

    async def _shut(self) -> None:
        for listener in self._server.sockets if self._server else ():
            self._loop.remove_reader(listener.fileno())
        # A connection that was just accepted, or is being made, shows up a moment later; asyncio
        # loses one whose server is closed before that.
        while self._transports or len(asyncio.all_tasks()) > 1:
            for transport in list(self._transports):
                transport.abort()
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _begin(self, caller: _Side) -> None:
        """Connect to the server for a caller."""
        try:
            _, server = await self._loop.create_connection(
                lambda: _Side(self._transports), "127.0.0.1", self._target
            )
        except OSError:
            caller.transport.abort()
            return
        server.other = caller.transport
        caller.lets_through = self._lets_through
        caller.forward_to(server.transport)

    def _lets_through(self, count: int) -> bool:
        self._left -= count
        if self._left < 0:
            self.held_back.set()
        return self._left >= 0


class _Side(asyncio.Protocol):
    """One of the two connections of which a gate makes one."""

    def __init__(
        self,
        transports: set[asyncio.Transport],
        begin: Callable[[_Side], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self.transport: asyncio.Transport
        self.other: asyncio.Transport | None = None
        self.lets_through: Callable[[int], bool] = lambda _count: True
        self._transports = transports
        self._begin = begin
        self._beginning: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._transports.add(transport)
        if self._begin is not None:
            self._beginning = asyncio.ensure_future(self._begin(self))

    def forward_to(self, other: asyncio.Transport) -> None:
        """Write what has come, and what comes from now on, to the other connection."""
        self.other = other
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            # Reading cannot be paused before this: asyncio of Python 3.11 starts it after
            # connection_made, paused or not.
            self._early.append(data)
        elif self.lets_through(len(data)):
            self.other.write(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transports.discard(self.transport)
        if self.other is not None:
            self.other.close()


@contextlib.contextmanager
def credentials(url: str) -> Iterator[None]:
    """Have whatever asks for S3 in this process, and its children, ask a server."""
    set_ = {
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }
    before = {name: os.environ.get(name) for name in set_}
    os.environ.update(set_)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
