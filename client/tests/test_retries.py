"""When the client tries again."""

from __future__ import annotations

import httpx
import pytest

from glyph_client.retries import wait_before_retry

BUSY = httpx.Response(429)
IN_FIVE = httpx.Response(503, headers={"Retry-After": "5"})
BROKEN = httpx.RemoteProtocolError("broke")
ALONE = httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("outcomes", "jitter", "wait"),
    [
        ([BUSY], 1, 0.1),
        ([BUSY], 0, 0.05),
        ([BUSY, BUSY], 1, 0.2),
        ([BUSY] * 5, 1, 1.6),
        ([BUSY] * 9, 1, 2.0),
        ([ALONE], 1, 0.1),
        ([httpx.ConnectTimeout("slow")], 1, 0.1),
        ([IN_FIVE], 0, 5.05),
        ([httpx.Response(429, headers={"Retry-After": "7"})], 1, 7.1),
        ([httpx.Response(429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})], 1, 0.1),
        ([BROKEN], 1, 0.0),
        ([httpx.ReadError("reset")], 1, 0.0),
        ([BUSY, BROKEN], 1, 0.0),
        ([BROKEN, BUSY], 1, 0.2),
    ],
)
def test_what_may_help_is_tried_again(outcomes, jitter, wait):
    """Waits double, up to a bound, and are never shorter than the service asks for."""
    assert wait == pytest.approx(wait_before_retry(outcomes, retries=9, jitter=jitter))


@pytest.mark.parametrize(
    "outcomes",
    [
        [httpx.Response(400)],
        [httpx.Response(500)],
        [httpx.Response(504)],
        [httpx.ReadTimeout("slow")],
        [BROKEN, BROKEN],
        [BROKEN, BUSY, BROKEN],
        [httpx.UnsupportedProtocol("ftp")],
    ],
)
def test_what_would_not_help_is_not(outcomes):
    """A wrong request stays wrong, and a connection that breaks twice may break for what we ask."""
    assert wait_before_retry(outcomes, retries=9, jitter=0.5) is None


def test_tries_are_counted():
    """No more than the caller allows."""
    assert wait_before_retry([BUSY] * 2, retries=2, jitter=0.5) is not None
    assert wait_before_retry([BUSY] * 3, retries=2, jitter=0.5) is None
    assert wait_before_retry([BUSY], retries=0, jitter=0.5) is None
