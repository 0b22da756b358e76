"""The host's end of the Unix socket: one thread reads all web workers, and works in between.

One thing, as the socket's path, its connections and the pauses of its loop are of one thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Protocol

from app.config.run_dir import FRESH_SOCKET
from app.host.batching.reply import Reply
from app.host.worker_connection import BEHIND, WorkerConnection
from app.ipc.frames import (
    FrameError,
    Kind,
    Predict,
    Refusal,
    Refused,
    decode_example,
    encode,
    encode_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.ipc.frames import Frame

log = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_HEARTBEAT_S = 0.25
"""Interval of heartbeats, unless a batch takes longer."""
_SPINS = 400
"""How often an idle loop polls before it sleeps: some 0.7 ms, after which a request pays 0.1 ms for
the host to wake up."""
_SPIN_S = 0.001
"""How long this polling may take at most. Beside a busy process one yield costs that process's time
slice, some milliseconds: then another process needs the core, and the loop sleeps."""


class Handler(Protocol):
    """Handles the frames of web workers."""

    def predict(self, request: Predict, reply_to: Reply) -> Refused | None: ...

    def cancel(self, reply_to: Reply) -> None: ...

    def gone(self, connection: WorkerConnection) -> None:
        """Drop the requests of a web worker that has disconnected."""
        ...

    def administer(self, request: bytes, connection: WorkerConnection, request_id: int) -> None:
        """Queue an operator's command (JSON), and `reply` with its result later."""
        ...

    def metrics(self) -> bytes: ...

    def statistics(self) -> bytes: ...

    def example(self, model: int, version: int) -> bytes | None: ...

    def work(self) -> float | None:
        """Run one step of the waiting work; return the seconds until the next one, or None."""
        ...


class HostServer:
    """Accepts web workers, reads their requests and sends the outcomes."""

    def __init__(
        self,
        path: Path,
        handler: Handler,
        largest_frame: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._next_heartbeat = 0.0
        self.heartbeats = 0
        """Grows while the loop of `run` turns."""
        self._largest_frame = largest_frame
        self._connections: set[WorkerConnection] = set()
        self._status = b""
        self._lock = threading.Lock()
        self._closing = False
        self._space = memoryview(bytearray(_READ_BYTES))
        """Read buffer, kept so that its memory is not mapped for every read."""
        self._selector = selectors.DefaultSelector()
        self._waker, self._wake = socket.socketpair()
        self._wake.setblocking(False)  # noqa: FBT003
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._path = path
        self._listener = self._bind()

    def listen(self) -> None:
        """Start to accept connections; earlier ones are pending in the backlog."""
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def status_bytes(self) -> int:
        """Size of the status that is sent to web workers."""
        return len(self._status)

    @property
    def is_succeeded(self) -> bool:
        """Whether the next host listens under this socket's path."""
        try:
            return self._path.stat().st_ino != self._inode
        except OSError:
            return False

    @property
    def connected(self) -> int:
        """Number of web workers that are connected."""
        return len(self._connections)

    def run(self) -> None:
        """Serve until closed: read frames, then run a step of work, in turn."""
        pause_s: float | None = None
        while not self._closing:
            self._send_heartbeat()
            for key, events in self._wait(
                _HEARTBEAT_S if pause_s is None else min(pause_s, _HEARTBEAT_S)
            ):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._waker:
                    self._waker.recv(4096)
                    self._watch_unsent()
                else:
                    self._serve(key.data, events)
            pause_s = self._work()
        self._shut()

    def _wait(self, pause_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, polling for a while first: to be woken takes longer than to poll."""
        if pause_s < _HEARTBEAT_S:
            return self._selector.select(pause_s)
        end = self._clock() + _SPIN_S
        for _ in range(_SPINS):
            if events := self._selector.select(0):
                return events
            os.sched_yield()  # processes with work go first
            if self._clock() > end:
                break
        self._send_heartbeat()
        return self._selector.select(pause_s)

    def close(self) -> None:
        """End `run`, which closes every connection."""
        self._closing = True
        self.wake()

    def announce(self, status: bytes) -> None:
        """Send the host's status (JSON) to every connected and every later web worker."""
        with self._lock:  # held while sending, so that no connection sees an older one last
            self._status = status
            for connection in self._connections:
                connection.send(encode(Kind.STATUS, 0, status))

    def reply(self, connection: WorkerConnection, request_id: int, answer: bytes) -> None:
        """Send the result of an operator's command (JSON); any thread may."""
        self._reply(connection, request_id, Kind.ADMIN, answer)

    def _reply(
        self, connection: WorkerConnection, request_id: int, kind: Kind, body: bytes
    ) -> None:
        """Send a response other than a prediction; refuse one that does not fit into a frame."""
        frame = encode(kind, request_id, body)
        if len(frame) > self._largest_frame:
            message = f"{kind.name.lower()} of {len(body)} bytes do not fit into a frame"
            log.error("%s; at most %d do", message, self._largest_frame)
            frame = encode_refusal(request_id, Refused(Refusal.FAILED, 0.0, message))
        elif connection.behind:
            frame = encode_refusal(request_id, BEHIND)
        connection.send(frame)

    def _bind(self) -> socket.socket:
        """Listen under the path, which is taken over from an earlier socket without a gap."""
        fresh = self._path.with_name(FRESH_SOCKET)
        fresh.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)  # noqa: FBT003
        try:
            listener.bind(str(fresh))
            listener.listen(64)
            self._inode = fresh.stat().st_ino
            fresh.replace(self._path)
        except OSError:
            listener.close()
            raise
        return listener

    def _restore_path(self) -> None:
        """Bind again if the socket's file is gone, unless a successor listens under its path."""
        try:
            if self._path.stat().st_ino == self._inode:
                return
        except OSError:
            pass  # it is gone
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.setblocking(False)  # noqa: FBT003
            probe.connect(str(self._path))
            return
        try:
            listener = self._bind()
        except OSError as exc:
            log.debug("socket %s cannot be bound again: %s", self._path, exc)
            return
        log.warning("socket %s was gone, bound it again", self._path)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _send_heartbeat(self) -> None:
        now = self._clock()
        if now < self._next_heartbeat:
            return
        self._restore_path()
        self._next_heartbeat = now + _HEARTBEAT_S
        self.heartbeats += 1
        with self._lock:
            for connection in self._connections:
                if not connection.unsent:  # unsent bytes show that the host lives
                    connection.send(encode(Kind.HEARTBEAT, 0))

    def _work(self) -> float | None:
        try:
            return self._handler.work()
        except Exception:  # a bug; its work is lost, and the loop continues
            log.exception("work step failed")
            return 0.0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # gone again, or no file descriptor is free
            sock, _ = self._listener.accept()
            connection = WorkerConnection(sock, self._largest_frame, self.wake)
            self._selector.register(sock, selectors.EVENT_READ, connection)
            with self._lock:
                self._connections.add(connection)
                connection.send(encode(Kind.STATUS, 0, self._status))

    def _serve(self, connection: WorkerConnection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE and not connection.flush():
                self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
            if events & selectors.EVENT_READ:
                self._read(connection)
        except (OSError, FrameError) as exc:
            self._drop(connection, exc)
        except Exception as exc:  # a bug; this thread reads all connections
            log.exception("frame could not be handled")
            self._drop(connection, exc)

    def _read(self, connection: WorkerConnection) -> None:
        size = connection.sock.recv_into(self._space)
        if not size:
            raise ConnectionResetError("closed by the web worker")
        for frame in connection.reader.feed(bytes(self._space[:size])):
            self._handle(connection, frame)

    def _handle(self, connection: WorkerConnection, frame: Frame) -> None:
        if frame.kind == Kind.PREDICT:
            reply_to = Reply(connection, frame.request_id)
            refused = self._handler.predict(Predict.decode(frame.body), reply_to)
            if refused is not None:
                connection.send(encode_refusal(frame.request_id, refused))
        elif frame.kind == Kind.CANCEL:
            self._handler.cancel(Reply(connection, frame.request_id))
        elif frame.kind == Kind.ADMIN:
            self._handler.administer(frame.body, connection, frame.request_id)
        elif frame.kind == Kind.METRICS:
            self._reply(connection, frame.request_id, Kind.METRICS, self._handler.metrics())
        elif frame.kind == Kind.STATISTICS:
            statistics = self._handler.statistics()
            self._reply(connection, frame.request_id, Kind.STATISTICS, statistics)
        elif frame.kind == Kind.EXAMPLE:
            self._send_example(connection, frame)
        else:
            raise FrameError(f"a frame of kind {frame.kind}, which no web worker sends")

    def _send_example(self, connection: WorkerConnection, frame: Frame) -> None:
        pixels = self._handler.example(*decode_example(frame.body))
        if pixels is None:
            gone = Refused(Refusal.NOT_FOUND, 0.0, "the version is not loaded any more")
            connection.send(encode_refusal(frame.request_id, gone))
        else:
            self._reply(connection, frame.request_id, Kind.EXAMPLE, pixels)

    def wake(self) -> None:
        """Wake `run`, from any thread."""
        with contextlib.suppress(OSError):  # enough wake-ups are waiting, or `run` has ended
            self._wake.send(b"\0")

    def _watch_unsent(self) -> None:
        for connection in self._connections:
            if connection.unsent:
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(connection.sock, both, connection)

    def _drop(self, connection: WorkerConnection, why: Exception) -> None:
        level = logging.WARNING if isinstance(why, FrameError) else logging.DEBUG
        log.log(level, "connection of a web worker ended: %s", why)
        with self._lock:
            self._connections.discard(connection)
        self._selector.unregister(connection.sock)
        connection.close()
        self._handler.gone(connection)

    def _shut(self) -> None:
        for connection in self._connections:
            connection.close()
        for sock in (self._listener, self._waker, self._wake):
            sock.close()
        self._selector.close()
