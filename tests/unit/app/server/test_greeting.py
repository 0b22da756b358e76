"""What people are told who start the service on a terminal."""

from __future__ import annotations

import pytest

from app.config.bind import parse_binds
from app.server.greeting import greeting


@pytest.mark.parametrize(
    ("bind", "tls", "listens", "asks"),
    [
        ("127.0.0.1:8000", False, "http://127.0.0.1:8000", "curl -s http://127.0.0.1:8000"),
        ("0.0.0.0:80", False, "http://127.0.0.1:80", "curl -s http://127.0.0.1:80"),
        ("[::]:80", True, "https://[::1]:80", "curl -s https://[::1]:80"),
        (
            "[fe80::1]:80, unix:/run/glyph.sock",
            False,
            "http://[fe80::1]:80, unix:/run/glyph.sock",
            "curl -s http://[fe80::1]:80",
        ),
        (
            "unix:/run/glyph.sock,h:1",
            False,
            "unix:/run/glyph.sock, h:1",
            "curl -s --unix-socket /run/glyph.sock http://localhost",
        ),
    ],
)
def test_the_command_asks_where_the_service_listens(bind, tls, listens, asks):
    """At an address by which this machine reaches itself; at the first of several."""
    told = greeting(parse_binds(bind), tls=tls)

    assert f"\nGlyph listens on {listens}\n" in told
    assert f"  {asks}/example |\n" in told
    assert f" --data-binary @- {asks.rpartition(' ')[2]}/predict\n" in told
    assert told.endswith("Ctrl-C ends it.\n")
