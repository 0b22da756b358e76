"""Whom a request comes from when proxies hand it on."""

from __future__ import annotations

import logging

import pytest

from app.config.networks import parse_networks
from app.web.middleware.proxies import Proxied

TRUSTED = "10.0.0.0/8,192.0.2.1,2001:db8::/32"


@pytest.fixture
def seen():
    """Return a function that returns the address and scheme that the application sees."""

    def run(peer, forwarded_for=None, proto=None):
        environ = {"REMOTE_ADDR": peer, "REMOTE_PORT": "1", "wsgi.url_scheme": "http"}
        if forwarded_for is not None:
            environ["HTTP_X_FORWARDED_FOR"] = forwarded_for
        if proto is not None:
            environ["HTTP_X_FORWARDED_PROTO"] = proto
        Proxied(parse_networks(TRUSTED)).enter(environ)
        return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]

    return run


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "::1", "", "a socket"])
def test_a_stranger_is_not_believed(seen, peer):
    """Not even one on this machine."""
    assert (peer, "http") == seen(peer, "198.51.100.1", "https")


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:DB9::1", "2001:db9::1"),
        ("198.51.100.1, 10.0.0.8", "198.51.100.1"),
        ("203.0.113.66, 198.51.100.1,192.0.2.1 ", "198.51.100.1"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db9::1]:443", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:4711, ::ffff:10.0.0.8", "198.51.100.1"),
        ("198.51.100.1, unix:", "unix:"),
        ("198.51.100.1, nonsense, 10.0.0.8", "10.0.0.8"),
        ("unknown", "10.0.0.7"),
        ("", "10.0.0.7"),
        (None, "10.0.0.7"),
    ],
)
def test_a_proxy_is_believed_as_far_as_it_knows(seen, forwarded_for, client):
    """From the end on: what stands before the first stranger is what the stranger said."""
    assert (client, "http") == seen("10.0.0.7", forwarded_for)


def test_a_proxy_over_an_ipv6_socket_is_known(seen):
    """Its address is written another way."""
    assert "198.51.100.1" == seen("::ffff:10.0.0.7", "198.51.100.1")[0]


@pytest.mark.parametrize("networks", ["::ffff:10.0.0.0/104", "::ffff:10.0.0.7", "unix:,10.0.0.7"])
def test_a_proxy_may_be_written_in_several_ways(networks):
    """IPv4 addresses in IPv6's notation are IPv4 addresses."""
    proxies = parse_networks(networks)

    assert "10.0.0.7" in proxies
    assert "::ffff:10.0.0.7" in proxies
    assert "11.0.0.7" not in proxies
    assert ("unix:" in networks) == ("unix:" in proxies)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http, https", "https"),
        ("https,http", "http"),
        ("javascript", "http"),
        ("", "http"),
    ],
)
def test_a_proxy_says_how_it_was_asked(seen, proto, scheme):
    """The one that is nearest."""
    assert ("10.0.0.7", scheme) == seen("10.0.0.7", None, proto)


@pytest.mark.parametrize(
    ("trusted", "prefix", "script"),
    [
        ("127.0.0.1", "/glyph", "/glyph"),
        ("127.0.0.1", "/a/b-c_d.e~f/", "/a/b-c_d.e~f"),
        ("127.0.0.1", "/theirs, /glyph", "/glyph"),
        ("10.0.0.8", "/glyph", ""),
        ("127.0.0.1", "/", ""),
        ("127.0.0.1", "//evil.example", ""),
        ("127.0.0.1", "https://evil.example", ""),
        ("127.0.0.1", "/a/../b", ""),
        ("127.0.0.1", "/.", ""),
        ("127.0.0.1", '/"><script>', ""),
        ("127.0.0.1", "/a%2fb", ""),
        ("127.0.0.1", "/a" * 200, ""),
    ],
)
def test_a_proxy_says_under_which_path_it_shows_the_service(make_app, trusted, prefix, script):
    """A known one; pages and description then name it, and a path that could lead astray is not."""
    client = make_app(trusted_proxies=trusted).test_client()
    headers = {"X-Forwarded-Prefix": prefix, "Accept": "text/html"}
    page, docs = client.get("/", headers=headers).text, client.get("/docs", headers=headers).text
    described = client.get("/openapi.json", headers=headers).json["servers"]

    home = f"{script}/" if script else ""
    assert f'src="{home}static/' in page
    assert f'href="{home}docs"' in page
    assert f"curl -s http://localhost{script}/example" in page
    assert f'src="{home}static/' in docs
    assert f'href="{home}openapi.json"' in docs
    assert [{"url": script or "."}] == described


def test_a_prefix_does_not_cut_the_path(make_app):
    """Else a client could walk around a rule that a careless proxy has for paths."""
    client = make_app(trusted_proxies="127.0.0.1").test_client()

    answer = client.get("/glyph/metrics", headers={"X-Forwarded-Prefix": "/glyph"})

    assert 404 == answer.status_code


def test_the_log_has_the_client_and_so_has_the_limit(make_app, caplog):
    """Behind a proxy, clients do not share one limit."""
    caplog.set_level(logging.INFO, "app.web.middleware.request_log")
    client = make_app(trusted_proxies="10.0.0.0/8", rate_limit="1/minute").test_client()
    statuses = [
        client.get(
            "/models",
            headers={"X-Forwarded-For": address},
            environ_overrides={"REMOTE_ADDR": "10.0.0.7"},
        ).status_code
        for address in ("198.51.100.1", "198.51.100.2", "198.51.100.1")
    ]

    assert [200, 200, 429] == statuses
    assert ["198.51.100.1"] == [record.client for record in caplog.records]


def test_an_audit_line_has_the_client(make_app, channel):
    """Not the proxy."""
    client = make_app(trusted_proxies="10.0.0.7", admin_token="x" * 20).test_client()
    client.post(
        "/models/shapes/promote",
        json={"version": 3},
        headers={"Authorization": f"Bearer {'x' * 20}", "X-Forwarded-For": "198.51.100.1"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.7"},
    )

    ((order, _),) = channel.orders
    assert "http@198.51.100.1" == order["by"]
