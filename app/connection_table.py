"""What a worker's connections do, and which of them must end for the sake of others.

Policy only: clocks are read and sockets are closed elsewhere.
"""

from __future__ import annotations

from typing import Protocol

_HEAD_S = 5.0
"""A client that has not sent a whole head for so long, though it connected or began to, is let go:
however long connections are kept between requests."""
_STALL_S = 30.0
"""A client that takes nothing of its answer for so long is let go."""
_LINGER_S, _LONGEST_LINGER_S = 5.0, 30.0
"""A refused client may be silent for so long, and send for so long, as nginx has it by default."""
_LAST_CHANCE_S = 1.0
"""While the worker ends, a client that asks again within so long is told to come no more on this
connection; one that is idle for longer sees it closed, and the worker need not wait for it."""
_SPARE = 64
"""Connections beyond those that are served at once, for health, metrics and orders."""


class Connection(Protocol):
    """A client's connection, as far as this table goes."""

    kept: bool
    begun: bool
    since: float
    closing_since: float
    stalled_since: float
    surplus: bool

    def end(self) -> None:
        """Close it while it waits for a request."""

    def abort(self) -> None:
        """Close it whatever it does."""


class ConnectionTable:
    """Every connection is here once in `open`, and by what it does in one of the others."""

    def __init__(self, most: int, keepalive_s: float) -> None:
        """Create an empty table.

        Args:
            most: Connections that are served at once.
            keepalive_s: How long an idle one is kept.
        """
        self._most = most
        self._keepalive_s = keepalive_s
        self.open: dict[Connection, None] = {}
        self._waiting: dict[Connection, None] = {}
        """Without a whole head; the longest wait first."""
        self._receiving: dict[Connection, None] = {}
        """With a head whose body is not here yet; the oldest first."""
        self._lingering: dict[Connection, None] = {}
        self._stalled: dict[Connection, None] = {}

    def admit(self, connection: Connection) -> None:
        """Take a new connection in; where there is no place, one that does least makes way.

        Nobody but the newcomer makes way for it where all the others are being answered: then it
        is marked as surplus, and beyond a few of those it is closed.
        """
        self.open[connection] = None
        if len(self.open) <= self._most:
            return
        for doing in (self._lingering, self._waiting, self._receiving):
            victim = next(iter(doing), None)
            if victim is not None and victim is not connection:
                self.forget(victim)
                victim.abort()
                return
        connection.surplus = True
        if len(self.open) > self._most + _SPARE:
            connection.abort()

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for a head from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def receive(self, connection: Connection) -> None:
        """Note that a connection's head is here."""
        self._waiting.pop(connection, None)
        self._receiving[connection] = None

    def answer(self, connection: Connection) -> None:
        """Note that a connection's request is here."""
        self._receiving.pop(connection, None)

    def linger(self, connection: Connection) -> None:
        """Note that a connection only waits for its client to stop sending."""
        self._waiting.pop(connection, None)
        self._receiving.pop(connection, None)
        self._lingering[connection] = None

    def stall(self, connection: Connection) -> None:
        """Note that a client takes nothing of its answer."""
        self._stalled[connection] = None

    def go_on(self, connection: Connection) -> None:
        """Note that a client takes some of its answer again."""
        self._stalled.pop(connection, None)

    def forget(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        for doing in (
            self.open,
            self._waiting,
            self._receiving,
            self._lingering,
            self._stalled,
        ):
            doing.pop(connection, None)

    def look(self, now: float, *, draining: bool) -> None:
        """End what has taken too long.

        Connections without a request beyond half of what a worker serves at once are not kept for
        long, or new clients would find no place.

        Args:
            now: Loop time.
            draining: The worker shuts down.
        """
        too_many = len(self._waiting) - self._most // 2
        for number, connection in enumerate(list(self._waiting)):
            patience = self._keepalive_s if connection.kept else _HEAD_S
            if number < too_many:
                patience = min(patience, _HEAD_S)
            if draining and not connection.begun:
                patience = min(patience, _LAST_CHANCE_S)
            if now - connection.since > patience:
                connection.end()
        silence_s = _LAST_CHANCE_S if draining else _LINGER_S
        for connection in list(self._lingering):
            lingers = now - connection.closing_since
            if now - connection.since > silence_s or lingers > _LONGEST_LINGER_S:
                connection.abort()
        for connection in list(self._stalled):
            if now - connection.stalled_since > _STALL_S:
                connection.abort()
