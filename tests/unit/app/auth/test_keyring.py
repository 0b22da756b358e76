"""The API keys as a web worker knows them."""

from __future__ import annotations

import logging
import os

import pytest

from app.auth.key_file import create_key, revoke_key
from app.auth.keyring import KeyRing


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def anna(path):
    return create_key(path, "anna", limit="5/minute", days=1)


@pytest.fixture
def ring(path, anna, clock):  # noqa: ARG001 - the file is there
    return KeyRing(path, clock)


@pytest.fixture
def errors(caplog):
    """Return a function that reads the errors from the log."""
    caplog.set_level(logging.ERROR, "app.auth.keyring")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture(params=[None, "{", '{"keys": [{}]}'], ids=["away", "JSON", "field"])
def break_file(request, path):
    """Return a function that makes the file useless, and returns its path."""

    def run():
        if request.param is None:
            path.unlink()
        else:
            path.write_text(request.param)
        return path

    return run


def test_a_key_is_found(ring, anna):
    """With what its owner may do."""
    caller = ring.find(anna)

    assert ("anna", "5/minute") == (caller.name, caller.limit)
    assert caller.expires > 0


@pytest.mark.parametrize("wrong", ["", "glyph_", "ü", "x" * 8000])
def test_another_key_is_not_found(ring, anna, wrong):
    """Nor one that is nearly right."""
    assert [None, None, None] == [ring.find(key) for key in (wrong, anna + "x", anna[:-1])]


def test_a_new_key_is_found_after_a_second(ring, path, clock):
    """Not before: the file is looked at once a second."""
    bob = create_key(path, "bob", limit=None, days=None)
    at_once = ring.find(bob)
    clock.tick(1)

    assert (None, "bob") == (at_once, ring.find(bob).name)


def test_a_revoked_key_is_not_found_after_a_second(ring, path, anna, clock):
    """Without a restart."""
    revoke_key(path, "anna")
    clock.tick(1)

    assert ring.find(anna) is None


def test_the_file_is_looked_at_once_a_second(ring, path, anna, clock, monkeypatch):
    """Whatever is asked meanwhile, and read only if it changed."""
    looks = []
    stat = type(path).stat
    monkeypatch.setattr(type(path), "stat", lambda self: (looks.append(1), stat(self))[1])
    monkeypatch.setattr("app.auth.keyring.read_keys", None)
    for _ in range(20):
        ring.find(anna)
        clock.tick(0.125)

    assert 2 == len(looks)


def test_a_broken_file_keeps_the_last_good_keys(ring, anna, clock, errors, break_file):
    """It is told once, and not every second."""
    path = break_file()
    for _ in range(3):
        clock.tick(1)
        assert "anna" == ring.find(anna).name

    (line,) = errors()
    assert line.startswith(f"the API keys in {path}: ")
    assert line.endswith("; the last valid keys stay in use")
    assert ring.readable


def test_a_mended_file_is_read(ring, path, anna, clock):
    """As any that changed."""
    good = path.read_bytes()
    path.write_text("{")
    clock.tick(1)
    ring.find(anna)
    path.write_bytes(good.replace(b'"anna"', b'"anne"'))
    os.utime(path, ns=(1, 1))
    clock.tick(1)

    assert "anne" == ring.find(anna).name


def test_a_worker_that_starts_beside_a_broken_file_lets_nobody_in(path, anna, clock, errors):
    """It goes on, and knows the keys once the file is mended."""
    good = path.read_bytes()
    path.write_text("{")
    ring = KeyRing(path, clock)
    before = (ring.find(anna), ring.readable)
    path.write_bytes(good)
    clock.tick(1)

    assert ((None, False), "anna", True) == (before, ring.find(anna).name, ring.readable)
    assert errors()[0].endswith("; no key is accepted")


def test_a_worker_that_starts_when_the_file_is_broken_knows_the_last_good_keys(
    path, anna, clock, break_file, errors
):
    """Those that a worker read last: a key that was revoked meanwhile stays revoked."""
    copy = path.with_name("copy")
    bob = create_key(path, "bob", limit=None, days=None)
    first = KeyRing(path, clock, copy=copy)
    revoke_key(path, "bob")
    clock.tick(1)
    first.find(anna)
    break_file()
    ring = KeyRing(path, clock, copy=copy)

    assert ("anna", None) == (ring.find(anna).name, ring.find(bob))
    assert ring.readable
    assert errors()[-1].endswith("the last valid keys stay in use")
    assert [copy] == [p for p in path.parent.iterdir() if p != path]


def test_without_a_copy_nobody_gets_in(path, anna, clock, tmp_path, break_file):
    """Nor with one that cannot be read, or written."""
    broken = tmp_path / "broken"
    broken.write_text("{")
    KeyRing(path, clock, copy=tmp_path / "away" / "copy")
    break_file()

    for copy in (None, tmp_path / "away" / "copy", broken):
        assert KeyRing(path, clock, copy=copy).find(anna) is None
