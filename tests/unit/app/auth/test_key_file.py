"""The file of API keys: what is kept, what is refused, and how it changes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from app.auth.key_file import ApiKeysError, create_key, read_keys, revoke_key

DIGEST = "ab" * 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / "access" / "keys.json"


@pytest.fixture
def write(path):
    """Return a function that writes the file directly."""
    path.parent.mkdir()

    def run(*keys, **fields):
        path.write_text(json.dumps({"keys": list(keys)} | fields))

    return run


def key(**changes):
    return {"name": "anna", "sha256": DIGEST, "created": "2026-01-01T00:00:00Z"} | changes


def create(path, name="anna", limit=None, days=None):
    return create_key(path, name, limit=limit, days=days)


def test_a_key_is_kept_as_its_digest(path):
    """It is long, random, and not in the file."""
    made = create(path)
    (kept,) = read_keys(path)

    assert hashlib.sha256(made.encode()).hexdigest() == kept.sha256
    assert made.startswith("glyph_")
    assert 43 == len(made.removeprefix("glyph_"))  # 256 bits in base64
    assert made not in path.read_text()
    assert made.removeprefix("glyph_") not in path.read_text()


def test_keys_differ(path):
    """Each name has one of its own."""
    assert 3 == len({create(path, name) for name in ("anna", "bob", "c-3.x_y")})
    assert ["anna", "bob", "c-3.x_y"] == [kept.name for kept in read_keys(path)]


def test_limit_and_end_are_kept(path):
    """A number of days from now."""
    create(path, limit="5/minute", days=90)
    (kept,) = read_keys(path)

    assert "5/minute" == kept.limit
    assert timedelta(days=90) == kept.expires - kept.created
    assert abs(datetime.now(UTC) - kept.created) < timedelta(minutes=5)


def test_a_name_is_given_once(path):
    """Else nobody would know which of two keys is revoked."""
    create(path)
    with pytest.raises(ApiKeysError, match=r"keys\.json: has a key named anna; revoke it first"):
        create(path)


def test_a_revoked_key_is_gone(path):
    """The others stay."""
    create(path)
    create(path, "bob")
    revoke_key(path, "anna")

    assert ["bob"] == [kept.name for kept in read_keys(path)]


def test_what_is_not_there_is_not_revoked(path):
    """It says what is."""
    create(path)
    with pytest.raises(ApiKeysError, match="has no key named bob; keys: anna"):
        revoke_key(path, "bob")


def test_a_new_file_is_private_and_an_old_one_keeps_its_mode(path):
    """Whoever could read it still can."""
    create(path)
    first = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o640)
    create(path, "bob")

    assert (0o600, 0o640) == (first, stat.S_IMODE(path.stat().st_mode))
    assert [path.name] == [entry.name for entry in path.parent.iterdir()]


def test_a_change_replaces_the_file(path):
    """A reader sees the old one or the new one, whole."""
    create(path)
    with path.open() as old:
        revoke_key(path, "anna")
        assert "anna" in old.read()


def test_a_link_stays_a_link(path, tmp_path):
    """And what it points at changes."""
    create(path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    create(link, "bob")

    assert link.is_symlink()
    assert 2 == len(read_keys(path))


def test_changes_at_the_same_time_are_all_made(path):
    """One after the other."""
    names = [f"name-{number}" for number in range(8)]
    threads = [Thread(target=create, args=(path, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names == sorted(kept.name for kept in read_keys(path))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([key(), key(sha256="cd" * 32)], "two keys have the same name"),
        ([key(), key(name="bob")], "two names have the same key"),
        ([key(name="an na")], "field keys.0.name: String should match pattern"),
        ([key(name="")], "field keys.0.name: "),
        ([key(sha256="glyph_secret")], "field keys.0.sha256: String should match pattern"),
        ([key(limit="often")], "field keys.0.limit: a number of requests per second, minute"),
        ([key(created="2026-01-01T00:00:00")], "field keys.0.created: "),
        ([key(extra=1)], "field keys.0.extra: "),
        ([{}], "field keys.0.name: Field required"),
    ],
    ids=[
        *("names", "keys", "name", "no name", "digest", "limit", "no zone", "stranger", "nothing"),
    ],
)
def test_a_wrong_file_is_refused(path, write, keys, problem):
    """The field is named, and nothing of what it holds: it may be a key."""
    write(*keys)
    with pytest.raises(ApiKeysError) as caught:
        read_keys(path)

    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"keys:\n", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b" " * (4 * 2**20 + 1), "is longer than 4194304 bytes"),
    ],
    ids=["missing", "YAML", "no text", "long"],
)
def test_what_is_no_such_file_is_refused(path, content, problem):
    """In a sentence."""
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ApiKeysError) as caught:
        read_keys(path)

    assert caught.value.problem.startswith(problem)


def test_a_broken_file_is_not_written_over(path, write):
    """Whoever mends it loses nothing."""
    write(key(name="an na"))
    before = path.read_bytes()
    for change in (create, revoke_key):
        with pytest.raises(ApiKeysError, match=r"field keys\.0\.name"):
            change(path, "anna")

    assert before == path.read_bytes()


def test_a_change_that_fails_leaves_nothing_behind(path, monkeypatch):
    """The file is as it was."""
    create(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(OSError, match="No space"):
        create(path, "bob")

    assert before == path.read_bytes()
    assert [path.name] == [entry.name for entry in path.parent.iterdir()]
