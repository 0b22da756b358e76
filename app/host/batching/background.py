"""Background work: no caller waits for it, so its results go to a callback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.batching.engine import Delivery
    from app.ipc.frames import Answer, Refused


class BackgroundTask(ABC):
    """Work that the host submits for itself; receives its own result."""

    @abstractmethod
    def answered(self, outcome: Answer | Refused) -> None:
        """Receive the outcome, in the thread that computed it."""


def route_results(deliver: Callable[[list[Delivery]], None]) -> Callable[[list[Delivery]], None]:
    """Wrap `deliver`: background results go to their callback, the rest to the sockets."""

    def route(deliveries: list[Delivery]) -> None:
        others = [
            delivery for delivery in deliveries if not isinstance(delivery[0], BackgroundTask)
        ]
        if others:
            deliver(others)
        if len(others) < len(deliveries):
            for reply_to, outcome in deliveries:
                if isinstance(reply_to, BackgroundTask):
                    reply_to.answered(outcome)

    return route
