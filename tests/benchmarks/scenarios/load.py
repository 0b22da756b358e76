"""Puts load on a service, in closed and in open loops.

In a closed loop a client asks again when it has its answer. An open loop sends at a fixed rate,
whatever comes back; its latency counts from the moment that the rate gave a request, so that time
spent waiting for a free connection is not forgotten.
"""

from __future__ import annotations

import asyncio
import functools
import re
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from tests.benchmarks.scenarios.answers import Answers, AnswersRead
from tests.benchmarks.scenarios.wire import LostError, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.benchmarks.scenarios.wire import Connection, Reply

LOST, UNCONNECTED, TIMED_OUT = 0, -1, -2
Judge = Callable[[int, "Reply"], str]
"""Takes which of a stream's requests was asked and its reply; returns what the reply is."""
"""In place of a status, where there was no answer."""
RECORD = np.dtype(
    [
        ("stream", "u1"),  # which of the plan
        ("port", "u2"),  # of the client's end of the connection
        ("intended", "f8"),  # monotonic seconds
        ("sent", "f8"),
        ("done", "f8"),
        ("status", "i2"),
        ("retry_after", "f4"),  # nan where the answer has none
    ]
)
_ROW = struct.Struct("=BHdddhf")
"""The same; packed, a million of them take little memory."""
_LOOK_EVERY_S = 0.05
_PAUSE_S = 0.05
"""What a client in a closed loop waits after anything but a prediction."""
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Clients with a connection each, which ask again as soon as they have their answer."""

    requests: Sequence[bytes]
    """Each client goes round them."""
    clients: int
    seconds: float
    start_s: float = 0.0
    leave_when_closed: bool = False
    """End a client whose connection the server closes after an answer; else it opens another."""
    read: bool = False
    """Keep what the predictions say; one stream of a plan at most."""
    pause_s: float = 0.0
    """Between an answer and the next request of the same client."""
    judge: Judge | None = None
    """Keep a note of every request, with what the judge says of its reply."""


class Note(NamedTuple):
    """One request of a stream that is judged."""

    stream: int
    port: int
    sent: float
    """Monotonic seconds, as the next."""
    done: float
    status: int
    said: str
    """The judge's words; the error's where there was no reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Requests at a fixed rate."""

    requests: Sequence[bytes]
    rate: float
    """Requests per second."""
    seconds: float
    start_s: float = 0.0
    connections: int = 1000
    """At most so many at once; further requests wait for one."""
    read: bool = False
    """Keep what the predictions say; one stream of a plan at most."""


@dataclass(slots=True)
class Measured:
    """What became of every request."""

    begin: float
    """Monotonic seconds; the streams' starts count from it."""
    records: NDArray[np.void]
    """Of dtype RECORD, in the order of the answers."""
    sentences: Counter[tuple[int, str]]
    """Status and sentence of what was no prediction; figures in them are written as N."""
    cpu_s: float
    """CPU time of the generator."""
    wall_s: float
    answers: Answers = field(default_factory=lambda: AnswersRead().all())
    """What the predictions of the stream said that was to be read; in the order of the answers."""
    notes: list[Note] = field(default_factory=list)
    """Of the streams that were judged; in the order of the answers."""

    def stream(self, index: int) -> NDArray[np.void]:
        """Return the records of one stream of the plan."""
        return self.records[self.records["stream"] == index]


@dataclass(frozen=True, slots=True)
class _Pool:
    """The connections of an open loop."""

    places: asyncio.Semaphore
    idle: list[Connection] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    connect: Callable[[], Awaitable[Connection]]
    begin: float
    timeout_s: float
    stopped: bool = False
    rows: bytearray = field(default_factory=bytearray)
    sentences: Counter[tuple[int, str]] = field(default_factory=Counter)
    answers: AnswersRead = field(default_factory=AnswersRead)
    notes: list[Note] = field(default_factory=list)

    async def closed(self, index: int, stream: Closed) -> None:
        start = self.begin + stream.start_s
        await _until(start)
        end = start + stream.seconds
        clients = (self._client(index, stream, number, end) for number in range(stream.clients))
        await asyncio.gather(*clients)

    async def _client(self, index: int, stream: Closed, number: int, end: float) -> None:
        connection: Connection | None = None
        turn = number
        while (now := time.monotonic()) < end and not self.stopped:
            fresh = connection is None or not connection.open
            given = None if fresh else connection
            connection, reply = await self._ask(index, stream, given, turn, now)
            turn += 1
            if reply is not None and stream.leave_when_closed and reply.closes:
                break
            answered = reply is not None and reply.status == _OK
            if pause_s := stream.pause_s if answered else max(stream.pause_s, _PAUSE_S):
                await asyncio.sleep(pause_s)
        if connection is not None:
            connection.close()

    async def open(self, index: int, stream: Open) -> None:
        pool = _Pool(asyncio.Semaphore(stream.connections))
        start = self.begin + stream.start_s
        async with asyncio.TaskGroup() as group:
            for turn in range(round(stream.rate * stream.seconds)):
                intended = start + turn / stream.rate
                await _until(intended)
                if self.stopped:
                    break
                group.create_task(self._one(index, stream, pool, turn, intended))
        for connection in pool.idle:
            connection.close()

    async def _one(self, index: int, stream: Open, pool: _Pool, turn: int, intended: float) -> None:
        async with pool.places:
            given = _still_open(pool.idle)
            connection, _ = await self._ask(index, stream, given, turn, intended)
            if connection is not None and connection.open:
                pool.idle.append(connection)

    async def _ask(
        self,
        index: int,
        stream: Closed | Open,
        connection: Connection | None,
        turn: int,
        intended: float,
    ) -> tuple[Connection | None, Reply | None]:
        """Send one request, over a new connection if need be, and note what became of it."""
        picked = turn % len(stream.requests)
        reply, status, trouble = None, LOST, ""
        sent = time.monotonic()
        try:
            async with asyncio.timeout_at(intended + self.timeout_s):
                connection = connection or await self.connect()
                sent = time.monotonic()
                reply = await connection.ask(stream.requests[picked])
                status = reply.status
        except LostError as exc:
            trouble = str(exc)
        except TimeoutError:
            status = TIMED_OUT
        except OSError as exc:
            status, trouble = UNCONNECTED, type(exc).__name__
        if trouble:
            self.sentences[status, trouble] += 1
        port = connection.port if connection else 0
        retry_after = np.nan if reply is None else self._refusal(reply)
        done = time.monotonic()
        self.rows += _ROW.pack(index, port, intended, sent, done, status, retry_after)
        if stream.read and reply is not None and status == _OK:
            self.answers.add(done, picked, reply.body)
        if isinstance(stream, Closed) and stream.judge is not None:
            said = trouble if reply is None else stream.judge(picked, reply)
            self.notes.append(Note(index, port, sent, done, status, said))
        return connection, reply

    def _refusal(self, reply: Reply) -> float:
        """Note a refusal's sentence; gives its Retry-After."""
        if reply.status == _OK:
            return np.nan
        self.sentences[reply.status, sentence_of(reply.body)] += 1
        given = reply.header("Retry-After") or ""
        return int(given) if given.isdecimal() else np.nan

    async def stop_once(self, enough: Path) -> None:
        """End the streams once a file is there."""
        while not enough.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(_LOOK_EVERY_S)
        self.stopped = True


async def load(
    plan: Sequence[Closed | Open],
    connect: Callable[[], Awaitable[Connection]],
    *,
    begin: float,
    timeout_s: float = 30.0,
    enough: Path | None = None,
) -> Measured:
    """Run every stream of a plan, or until a file is there; gives what became of their requests."""
    run = _Run(connect, begin, timeout_s)
    cpu_s = time.process_time()
    stopping = asyncio.create_task(run.stop_once(enough)) if enough else None
    async with asyncio.TaskGroup() as group:
        for index, stream in enumerate(plan):
            kind = run.closed if isinstance(stream, Closed) else run.open
            group.create_task(kind(index, stream))
    if stopping is not None:
        stopping.cancel()
    return Measured(
        begin=begin,
        records=np.frombuffer(run.rows, RECORD),
        sentences=run.sentences,
        cpu_s=time.process_time() - cpu_s,
        wall_s=time.monotonic() - begin,
        answers=run.answers.all(),
        notes=run.notes,
    )


def run(
    plan: Sequence[Closed | Open],
    port: int,
    *,
    begin: float,
    timeout_s: float = 30.0,
    enough: Path | None = None,
) -> Measured:
    """Put the service on a port under load, from this process."""
    opening = functools.partial(connect, port)
    return asyncio.run(load(plan, opening, begin=begin, timeout_s=timeout_s, enough=enough))


def sentence_of(body: bytes) -> str:
    """Return the message of an error with every figure in it written as N."""
    try:
        sentence = str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        sentence = body[:80].decode("latin-1")
    return re.sub(r"\d+(\.\d+)?", "N", sentence)


def _still_open(idle: list[Connection]) -> Connection | None:
    while idle:
        connection = idle.pop()
        if connection.open:
            return connection
    return None


async def _until(moment: float) -> None:
    delay_s = moment - time.monotonic()
    if delay_s > 0:
        await asyncio.sleep(delay_s)
