"""The WSGI environment that stands for a request (PEP 3333), made of its ASGI scope."""

from __future__ import annotations

import pytest

from app.server.front.asgi_environ import environ_of
from app.web.http.environ import REQUEST_ID

TCP = {"client": ("192.0.2.7", 50_000), "server": ("192.0.2.1", 8000)}
UNIX = {"client": None, "server": ("/", "r")}
"""As gunicorn has a Unix socket: it takes the first two characters of the path for a pair."""


def scope_of(target="/healthz", headers=(), **changes):
    """Make the scope that gunicorn makes of a request."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    return scope | TCP | changes


def test_a_request_has_what_wsgi_asks_for():
    """Every variable that must be there, of the type that it must be."""
    environ = environ_of(scope_of("/predict?top_k=1", method="POST", http_version="1.0"))

    assert {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/predict",
        "QUERY_STRING": "top_k=1",
        "RAW_URI": "/predict?top_k=1",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "SERVER_NAME": "192.0.2.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50000",
    } == {name: value for name, value in environ.items() if not name.startswith("wsgi.")}
    assert ((1, 0), "http") == (environ["wsgi.version"], environ["wsgi.url_scheme"])
    assert (True, True, False) == tuple(
        environ[f"wsgi.{name}"] for name in ("multithread", "multiprocess", "run_once")
    )
    assert b"" == environ["wsgi.input"].read()
    environ["wsgi.errors"].write("")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a%20b", "/a b"),
        ("/%C3%BC", "/Ã¼"),
        ("/%FF%2f", "/ÿ/"),
        ("/ÿ%41", "/ÿA"),
        ("/a%2", "/a%2"),
        ("/a%zz", "/a%zz"),
        ("/a;b=c", "/a;b=c"),
        ("//other.example/a", "//other.example/a"),
        ("/a//b/../c", "/a//b/../c"),
        ("", ""),
    ],
)
def test_a_path_is_decoded_once_to_bytes(target, path):
    """Each character stands for a byte, as WSGI has it; nothing is put in order."""
    environ = environ_of(scope_of(f"{target}?q=%41"))

    assert (path, "q=%41") == (environ["PATH_INFO"], environ["QUERY_STRING"])
    assert f"{target}?q=%41" == environ["RAW_URI"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://glyph.example/predict", "/predict"),
        ("HTTPS://glyph.example:8000/a%20b", "/a b"),
        ("http://glyph.example", "/"),
        ("http://glyph.example/", "/"),
        ("http://[::1/predict", "/predict"),
        ("http://", "/"),
        ("*", "*"),
        ("glyph.example:8000", "glyph.example:8000"),
    ],
)
def test_a_target_may_name_the_host_too(target, path):
    """As proxies send it; what it is called there leads nowhere else."""
    environ = environ_of(scope_of(target))

    assert (path, target) == (environ["PATH_INFO"], environ["RAW_URI"])


def test_headers_have_the_names_of_cgi():
    """Two of them without the prefix."""
    headers = [
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("x-api-key", "ü"),
        ("host", "glyph"),
    ]
    environ = environ_of(scope_of(headers=headers))

    assert ("text/plain", "3") == (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"])
    assert ("ü", "glyph") == (environ["HTTP_X_API_KEY"], environ["HTTP_HOST"])
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(environ)


def test_a_header_that_comes_again_is_one_list():
    """In order; an empty one counts."""
    headers = [("accept", "text/html"), ("x-forwarded-for", ""), ("accept", "*/*")]
    headers.append(("x-forwarded-for", "192.0.2.9"))
    environ = environ_of(scope_of(headers=headers))

    assert ("text/html,*/*", ",192.0.2.9") == (
        environ["HTTP_ACCEPT"],
        environ["HTTP_X_FORWARDED_FOR"],
    )


@pytest.mark.parametrize(
    "name", ["path-info", "remote-addr", "glyph.caller", "wsgi.input", "script-name"]
)
def test_no_header_takes_the_place_of_anything_else(name):
    """Whatever it is called."""
    plain, named = environ_of(scope_of()), environ_of(scope_of(headers=[(name, "mine")]))

    assert 1 == len(set(named) - set(plain))
    assert all(key.startswith("HTTP_") for key in set(named) - set(plain))
    assert "mine" not in [named[key] for key in plain]


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:DB8::1", 1), "2001:db8::1"),
        (None, ""),
    ],
    ids=["mapped", "ipv6", "gone"],
)
def test_an_address_is_written_in_one_way(client, address):
    """IPv4 over an IPv6 socket is IPv4; a client that is gone is nobody that is trusted."""
    assert address == environ_of(scope_of(client=client))["REMOTE_ADDR"]


@pytest.mark.parametrize("client", [None, ("/", "t"), (0, 97)], ids=["none", "path", "abstract"])
def test_a_client_of_a_unix_socket_has_one_name(client):
    """Whatever it has bound its own end to; none of it is taken for an address."""
    environ = environ_of(scope_of(**UNIX | {"client": client}))

    assert ("unix:", "0") == (environ["REMOTE_ADDR"], environ["REMOTE_PORT"])
    assert ("localhost", "80") == (environ["SERVER_NAME"], environ["SERVER_PORT"])


def test_a_socket_that_is_closed_already_has_no_name():
    """Neither of its ends does; it is not taken for a Unix socket."""
    environ = environ_of(scope_of(client=None, server=None))

    assert ("", "localhost") == (environ["REMOTE_ADDR"], environ["SERVER_NAME"])


def test_each_request_has_an_environment_of_its_own():
    """What is noted of one is not known of another."""
    scope = scope_of()
    first, second = environ_of(scope), environ_of(scope)
    first[REQUEST_ID] = "abc"

    assert REQUEST_ID not in second
    assert first["wsgi.input"] is not second["wsgi.input"]
