"""The states of a worker's connections, and which of them must be closed to admit others.

Policy only: clocks are read and sockets are closed elsewhere. Times are the event loop's.
"""

from __future__ import annotations

from itertools import chain
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
SPARE_CONNECTIONS = 64
"""Beyond those that are served at once, for health, metrics and orders."""


class ClientConnection(Protocol):
    """A client's connection, as far as this table goes."""

    kept: bool
    """It was answered before, and nothing of a next request has come."""
    begun: bool
    """Something of a request has come that is no whole head yet."""
    heard_at: float
    """When something came from the client."""
    surplus: bool
    """It came when as many connections were being served as may be."""

    def unsent(self) -> int:
        """Return the number of bytes that the client has not read yet."""

    def end(self) -> None:
        """Close it while it waits for a request."""

    def abort(self) -> None:
        """Close it whatever it does, and drop what is unsent."""


class ConnectionTable:
    """Every connection is here once in `open`, and by what it does in others."""

    def __init__(self, most: int, keepalive_s: float) -> None:
        """Create an empty table.

        Args:
            most: Connections that are served at once.
            keepalive_s: How long an idle one is kept.
        """
        self._most = most
        self._keepalive_s = keepalive_s
        self.open: dict[ClientConnection, None] = {}
        self._waiting: dict[ClientConnection, float] = {}
        """Without a whole head, and since when; the longest wait first."""
        self._receiving: dict[ClientConnection, None] = {}
        """With a head whose body is not here yet; the oldest first."""
        self._lingering: dict[ClientConnection, float] = {}
        """With the last answer, while the client may still send; and since when."""
        self._stalled: dict[ClientConnection, tuple[float, int]] = {}
        """With an answer that the client takes slowly: when it took some, and what is left."""

    def admit(self, connection: ClientConnection, now: float) -> bool:
        """Admit a new connection; if the table is full, the least active one is closed.

        If all others are being answered, the new one is marked as surplus; those are closed
        in turn once there are too many.

        Returns:
            Whether it is admitted.
        """
        if len(self.open) >= self._most:
            spare = len(self.open) < self._most + SPARE_CONNECTIONS
            doing_little = chain(self._lingering, self._waiting, self._receiving, self._stalled)
            victim = next((one for one in doing_little if not (spare and one.surplus)), None)
            if victim is not None:
                connection.surplus = victim.surplus
                self.forget(victim)
                victim.abort()
            elif spare:
                connection.surplus = True
            else:
                return False
        self.open[connection] = None
        self.wait(connection, now)
        return True

    def wait(self, connection: ClientConnection, now: float) -> None:
        """Record that a connection waits for a head."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = now

    def receive(self, connection: ClientConnection) -> None:
        """Record that a connection's head has arrived."""
        self._waiting.pop(connection, None)
        self._receiving[connection] = None

    def answer(self, connection: ClientConnection) -> None:
        """Record that a connection's request has arrived."""
        self._receiving.pop(connection, None)

    def linger(self, connection: ClientConnection, now: float) -> None:
        """Record that a connection only waits for its client to stop sending."""
        for doing in (self._waiting, self._receiving, self._stalled):
            doing.pop(connection, None)
        self._lingering[connection] = now

    def stall(self, connection: ClientConnection, now: float) -> None:
        """Record that a client is slow to read its response, or the end of its connection."""
        self._waiting.pop(connection, None)
        self._stalled[connection] = now, connection.unsent()

    def go_on(self, connection: ClientConnection) -> None:
        """Record that a client has read its response, or nearly so."""
        self._stalled.pop(connection, None)

    def forget(self, connection: ClientConnection) -> None:
        """Remove a connection."""
        for doing in (self.open, self._waiting, self._receiving, self._lingering, self._stalled):
            doing.pop(connection, None)

    def close_overdue(self, now: float, *, draining: bool) -> None:
        """Close the connections that have taken too long.

        Connections without a request beyond half of what a worker serves at once are not kept for
        long, or new clients would find no place.

        Args:
            now: Time.
            draining: The worker shuts down.
        """
        too_many = len(self._waiting) - self._most // 2
        for number, (connection, since) in enumerate(list(self._waiting.items())):
            patience = self._keepalive_s if connection.kept else _HEAD_S
            if number < too_many:
                patience = min(patience, _HEAD_S)
            if draining and not connection.begun:
                patience = min(patience, _LAST_CHANCE_S)
            if now - since > patience:
                connection.end()
        silence_s = _LAST_CHANCE_S if draining else _LINGER_S
        for connection, since in list(self._lingering.items()):
            if now - connection.heard_at > silence_s or now - since > _LONGEST_LINGER_S:
                connection.abort()
        for connection, (since, unsent) in list(self._stalled.items()):
            left = connection.unsent()
            if left < unsent:
                self._stalled[connection] = now, left
            elif now - since > (_STALL_S if left else _LAST_CHANCE_S):
                connection.abort()
