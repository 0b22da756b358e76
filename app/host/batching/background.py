"""Work in the background: nobody waits for it, so its origin takes the outcome itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.host.batching.engine import Delivery
    from app.ipc.frames import Answer, Refused


class BackgroundTask(ABC):
    """The origin of work in the background."""

    @abstractmethod
    def answered(self, outcome: Answer | Refused) -> None:
        """Take the outcome, in the thread that computed it."""


def route_results(deliver: Callable[[list[Delivery]], None]) -> Callable[[list[Delivery]], None]:
    """Give a way to deliver that hands callers what is theirs, and then errands."""

    def sort(deliveries: list[Delivery]) -> None:
        others = [
            delivery for delivery in deliveries if not isinstance(delivery[0], BackgroundTask)
        ]
        if others:
            deliver(others)
        if len(others) < len(deliveries):
            for reply_to, outcome in deliveries:
                if isinstance(reply_to, BackgroundTask):
                    reply_to.answered(outcome)

    return sort
