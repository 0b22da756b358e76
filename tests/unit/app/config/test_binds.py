"""How the address of a peer is written."""

from __future__ import annotations

import pytest

from app.config.peer_address import peer_of


@pytest.mark.parametrize(
    ("accepted", "peer"),
    [
        (("192.0.2.7", 4711), ("192.0.2.7", 4711)),
        (("::ffff:192.0.2.7", 4711, 0, 0), ("192.0.2.7", 4711, 0, 0)),
        (("2001:DB8:0::1", 4711, 0, 0), ("2001:db8::1", 4711, 0, 0)),
        ("", ("unix:", 0)),
        (b"", ("unix:", 0)),
        (None, ("unix:", 0)),
    ],
)
def test_a_peer_has_one_name(accepted, peer):
    """And is always a tuple, since gunicorn believes any other whatever it says of itself."""
    assert peer == peer_of(accepted)
