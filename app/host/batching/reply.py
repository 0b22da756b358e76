"""Who gets the outcome of a job: a web worker's connection, or a task of the host itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.ipc.frames import Answer, Refused


class Receiver(Protocol):
    """Takes outcomes, in the thread that computed them."""

    def receive(self, outcomes: Sequence[tuple[int, Answer | Refused]]) -> None:
        """Take outcomes, each with the number of its request."""
        ...


class Reply(NamedTuple):
    """Where the outcome of one job goes."""

    receiver: Receiver
    request_id: int = 0
    """Chosen by the receiver."""


class BackgroundTask(ABC):
    """Work that the host submits for itself; receives its own result."""

    def receive(self, outcomes: Sequence[tuple[int, Answer | Refused]]) -> None:
        """Take the outcome."""
        for _, outcome in outcomes:
            self.answered(outcome)

    @abstractmethod
    def answered(self, outcome: Answer | Refused) -> None:
        """Receive the outcome, in the thread that computed it."""


def deliver(outcomes: Iterable[tuple[Reply, Answer | Refused]]) -> None:
    """Hand each receiver its outcomes, all at once; the receivers in the order of the first."""
    of: dict[Receiver, list[tuple[int, Answer | Refused]]] = {}
    for (receiver, request_id), outcome in outcomes:
        of.setdefault(receiver, []).append((request_id, outcome))
    for receiver, its in of.items():
        receiver.receive(its)
