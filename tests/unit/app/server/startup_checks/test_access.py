"""What the master looks at before it starts anything."""

from __future__ import annotations

import pytest

from app.auth.key_file import create_key
from app.config.settings import Settings
from app.server.startup_checks.access import check_access_files, warning_of_open_door
from tests.certificates import make_certificate


@pytest.fixture
def complaint(capsys):
    """Return a function that checks settings and returns the error that stops the start."""

    def run(**settings):
        with pytest.raises(SystemExit) as caught:
            check_access_files(Settings(**settings))
        assert 2 == caught.value.code
        return capsys.readouterr().err

    return run


def test_good_files_are_taken(tmp_path):
    """And a service without any needs none."""
    keys = tmp_path / "keys.json"
    create_key(keys, "anna", limit=None, days=None)
    cert, key = make_certificate(tmp_path)

    check_access_files(Settings())
    check_access_files(Settings(api_keys_file=keys, tls_cert=cert, tls_key=key))


def test_a_broken_key_file_stops_the_start(complaint, tmp_path):
    """In one line that names the setting and the file."""
    keys = tmp_path / "keys.json"
    missing = complaint(api_keys_file=keys)
    keys.write_text('{"keys": [{"name": "glyph_secret"}]}')

    assert f"glyph: GLYPH_API_KEYS_FILE='{keys}': cannot be read: No such file or directory\n" == (
        missing
    )
    assert f"glyph: GLYPH_API_KEYS_FILE='{keys}': field keys.0.sha256: Field required\n" == (
        complaint(api_keys_file=keys)
    )


def test_a_certificate_that_cannot_be_used_stops_the_start(complaint, tmp_path):
    """So does a key."""
    cert, key = make_certificate(tmp_path / "a", last_day=0)
    other = make_certificate(tmp_path / "b")

    assert complaint(tls_cert=cert, tls_key=key).startswith(
        f"glyph: GLYPH_TLS_CERT='{cert}': expired on 20"
    )
    assert complaint(tls_cert=other.cert, tls_key=key).startswith(
        f"glyph: GLYPH_TLS_KEY='{key}': is not the key of"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "glyph.example"])  # noqa: S104 - nothing binds it
def test_an_open_door_is_pointed_out(host):
    """With the setting that closes it."""
    warning = warning_of_open_door(Settings(bind=f"{host}:80"))

    assert (
        f"GLYPH_BIND={host}:80 can be reached from other machines, and GLYPH_API_KEYS_FILE is not "
        "set: whoever reaches it may ask for predictions"
    ) == warning


def test_one_of_several_doors_may_be_open():
    """All are looked at, in whatever order they are listed."""
    closed = "127.0.0.1:80,unix:/run/glyph.sock,[::1]:80"
    warnings = [
        warning_of_open_door(Settings(bind=bind)) for bind in (closed, f"{closed},192.0.2.7:80")
    ]

    assert warnings[0] is None
    assert warnings[1].startswith(f"GLYPH_BIND={closed},192.0.2.7:80 can be reached from other")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_a_door_to_this_machine_is_not_open(host):
    """Nor one that keys open."""
    assert warning_of_open_door(Settings(bind=f"{host}:80")) is None
    assert warning_of_open_door(Settings(bind="0.0.0.0:80", api_keys_file="keys.json")) is None
