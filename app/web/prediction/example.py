"""An example for the pages: a golden image of the default model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.web.http.errors import ServiceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.web.host_client.blocking import BlockingHost

EXAMPLE_TIMEOUT_S = 2.0
"""How long a page waits for its example."""
_SHOWN = 2**18
"""Numbers in an example that a page shows."""


def shown_example(channel: BlockingHost, deadline: float) -> NDArray[np.uint8] | None:
    """Return a golden image of the default model for a page; None if it cannot be had, or is large.

    A page is of use without it, and nobody reads so many numbers.
    """
    serving = channel.status.serving
    loaded = serving.loaded if serving is not None else None
    if loaded is None or math.prod(loaded.input_shape) > _SHOWN:
        return None
    try:
        return channel.example(deadline)
    except ServiceError:
        return None
