"""What people and logs are told when the service is ready."""

from __future__ import annotations

import logging

import pytest

from app.config.bind import parse_binds
from app.server.announcement import Announcement, greeting


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

    assert f"\nGlyph is ready at {listens}\n" in told
    assert f"  Try   {asks}/example |\n" in told
    assert f" --data-binary @- {asks.rpartition(' ')[2]}/predict\n" in told
    assert told.endswith("Ctrl-C ends it.\n")


def test_the_docs_are_named_where_a_browser_can_open_them():
    """A socket is no address for one."""
    shown = greeting(parse_binds("127.0.0.1:8000"), tls=False)

    assert "  Page  http://127.0.0.1:8000/\n  Docs  http://127.0.0.1:8000/docs\n" in shown
    assert "Docs" not in greeting(parse_binds("unix:/run/glyph.sock"), tls=False)


def test_the_log_has_one_line_at_readiness_and_one_at_the_end(caplog):
    """However many web workers find that the service is ready."""
    announcement = Announcement(parse_binds("0.0.0.0:80,unix:/run/glyph.sock"), tls=False)
    with caplog.at_level(logging.INFO):
        announcement.ready()
        announcement.ready()
        announcement.ended()

    where = "http://127.0.0.1:80, unix:/run/glyph.sock"
    assert [f"ready at {where}", f"ended at {where}"] == caplog.messages
