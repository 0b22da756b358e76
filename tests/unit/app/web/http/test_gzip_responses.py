"""Answers packed with gzip: large ones, in JSON, for callers who accept it."""

from __future__ import annotations

import gzip
import json

import pytest

from app.web.http.buffered_response import BufferedResponse
from app.web.http.flask_app import FlaskApp

LARGE = json.dumps([number / 7 for number in range(2000)]).encode()
HUGE = LARGE * 20
JSON = ("Content-Type", "application/json")


@pytest.fixture
def answer():
    """Have the application answer with a body."""

    def ask(body, accepted=None, kind=JSON):
        app = FlaskApp(__name__, static_folder=None)
        app.add_url_rule(
            "/", view_func=lambda: BufferedResponse(body, [kind, ("Glyph-Model", "a")])
        )
        return app.test_client().get("/", headers={"Accept-Encoding": accepted} if accepted else {})

    return ask


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br, zstd", "br;q=1, gzip;q=0.5"])
@pytest.mark.parametrize("body", [LARGE, HUGE], ids=["large", "huge"])
def test_large_answers_are_packed(answer, accepted, body):
    """Of one piece or several; the length is that of what is sent."""
    packed = answer(body, accepted)

    assert body == gzip.decompress(packed.data)
    assert len(packed.data) < len(body) / 2
    assert len(packed.data) == int(packed.headers["Content-Length"])
    assert ("gzip", "a") == (packed.headers["Content-Encoding"], packed.headers["Glyph-Model"])
    assert "Accept-Encoding" == packed.headers["Vary"]


@pytest.mark.parametrize(
    "accepted", [None, "identity", "br", "gzip;q=0", "*;q=0", "gzip" + " " * 9999]
)
def test_callers_who_do_not_accept_it_get_what_they_can_read(answer, accepted):
    """Caches are told that others may get something else."""
    plain = answer(LARGE, accepted)

    assert plain.data == LARGE
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" == plain.headers["Vary"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (LARGE[: 16 * 1024], JSON),
        (LARGE, ("Content-Type", "application/x-npy")),
        (LARGE, ("Content-Type", "application/octet-stream")),
    ],
    ids=["small", "npy", "raw"],
)
def test_others_are_left_as_they_are(answer, body, kind):
    """Small ones, which would take longer, and numbers, which hardly become smaller."""
    plain = answer(body, "gzip", kind)

    assert plain.data == body
    assert not {"Content-Encoding", "Vary"} & {*plain.headers.keys()}
