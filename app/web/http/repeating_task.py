"""Tasks of the event loop that last as long as the worker, whatever goes wrong in them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_PAUSE_S = 5.0
"""After a fault: it may come again at once, and each time it is logged."""


async def repeat(step: Callable[[], Awaitable[None]], name: str) -> None:
    """Do something for ever; a fault is logged and does not end it unseen.

    Args:
        step: Pauses as long as it should between two times.
        name: What goes on, for the log.
    """
    while True:
        try:
            await step()
        except Exception:
            log.exception("%s continues after an error", name)
            await asyncio.sleep(_PAUSE_S)
