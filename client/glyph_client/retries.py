"""When to try again, and after how long. Policy only: it neither waits nor reads a clock.

The libraries for this read clocks of their own, or wait beyond the caller's deadline; here a wait
must fit into what is left of it, and the service's Retry-After goes before any backoff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from glyph_client.parsing import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Sequence

Outcome = httpx.Response | Exception
"""A response, or what was raised in place of one."""

_FIRST_WAIT_S, _MAX_WAIT_S = 0.1, 2.0
_TEMPORARY = (429, 503)
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout)
_BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


def wait_before_retry(outcomes: Sequence[Outcome], retries: int, jitter: float) -> float | None:
    """Return the seconds to wait before the next try; None if there is none.

    Args:
        outcomes: Of all tries so far, the last one a failure.
        retries: The most tries after the first.
        jitter: From 0 to 1, at random: so that callers who failed together do not come together.
    """
    if len(outcomes) > retries:
        return None
    last = outcomes[-1]
    longest: float = min(_MAX_WAIT_S, _FIRST_WAIT_S * 2 ** (len(outcomes) - 1))
    backoff = longest * (1 + jitter) / 2
    if isinstance(last, httpx.Response):
        if last.status_code not in _TEMPORARY:
            return None
        return (retry_after_s(last) or 0.0) + backoff
    if isinstance(last, _NOT_CONNECTED):
        return backoff
    # A connection that was kept may have been closed just then. Asking twice changes nothing there.
    if isinstance(last, _BROKEN) and sum(isinstance(one, _BROKEN) for one in outcomes) == 1:
        return 0.0
    return None
