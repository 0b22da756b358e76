"""Making keys, signing versions and checking signatures from the command line."""

from __future__ import annotations

import json
import os

import pytest

from model_store import SignatureError
from model_store.signing.key_paths import key_paths
from model_store.signing.keys import PrivateKey, PublicKey
from model_store.signing.signatures import verify_signature


@pytest.fixture
def keys(models, tmp_path):
    """Return the directory of a key pair."""
    models("keygen", "--out", str(tmp_path / "keys"))
    return tmp_path / "keys"


@pytest.fixture
def key_id(keys) -> str:
    return PublicKey.read(keys / "public.pem").id


def test_keygen_says_which_key_is_for_whom(models, tmp_path):
    """A person sees where they are, and by which name signatures will know them."""
    out = tmp_path / "keys"
    code, text, _ = models("keygen", "--out", str(out))

    name = str(PublicKey.read(out / "public.pem"))
    assert (0, f"key {name}") == (code, text.splitlines()[0])
    assert str(out / "private.pem") == text.splitlines()[1].split()[-1]
    assert str(out / "public.pem") == text.splitlines()[2].split()[-1]


def test_keygen_replaces_no_key(models, keys):
    """What it signed would be lost."""
    before = (keys / "private.pem").read_bytes()

    code, _, err = models("keygen", "--out", str(keys))

    expected = f"glyph: {keys / 'private.pem'}: is there already; keys are not replaced\n"
    assert (1, expected, before) == (code, err, (keys / "private.pem").read_bytes())


def test_keygen_tells_programs(models, tmp_path):
    """The whole name, and both files."""
    out = tmp_path / "keys"
    found = json.loads(models("keygen", "--out", str(out), "--json")[1])

    files = {"private": str(out / "private.pem"), "public": str(out / "public.pem")}
    assert {"key": PublicKey.read(out / "public.pem").id} | files == found


def test_a_version_that_is_there_is_signed(models, store, publish, keys, key_id):
    """The key comes from the option or from the environment."""
    publish()
    public = PublicKey.read(keys / "public.pem")

    code, out, _ = models("sign", "1", "--key", str(keys / "private.pem"))

    assert (0, f"mnist 1: signed by {key_id[:12]}…\n") == (code, out)
    assert public is verify_signature(store.path("mnist", 1), (public,))


def test_the_key_may_come_from_the_environment(models, publish, keys, key_id, monkeypatch):
    """A publisher's machine knows its key."""
    publish()
    monkeypatch.setenv("GLYPH_SIGNING_KEY", str(keys / "private.pem"))

    found = json.loads(models("sign", "1", "--json")[1])
    assert {"version": 1, "signed_by": key_id} == found


def test_a_damaged_version_is_not_signed(models, store, publish, keys):
    """A signature says that its files are right."""
    publish()
    (store.path("mnist", 1) / "saved_model.pb").write_bytes(b"another")

    code, _, err = models("sign", "1", "--key", str(keys / "private.pem"))

    assert (1, False) == (code, (store.path("mnist", 1) / "model.sig").exists())
    assert "saved_model.pb: is 7 bytes long" in err


def test_verify_checks_signatures_as_well(models, publish, keys, key_id):
    """With a public key, one that is not signed is a problem like damage."""
    publish()
    publish()
    models("sign", "1", "--key", str(keys / "private.pem"))

    code, out, _ = models("verify", "--public-key", str(keys / "public.pem"))

    first, second = out.splitlines()
    assert (1, f"mnist 1: intact, signed by {key_id[:12]}…") == (code, first)
    assert second.endswith("mnist/2/model.sig: is missing: the version is not signed")


def test_verify_without_keys_asks_for_no_signature(models, publish):
    """Nor does it tell of any."""
    publish()

    code, out, _ = models("verify", "1", "--json")
    assert (0, None) == (code, json.loads(out)[0]["signed_by"])


def test_one_of_several_keys_is_enough(models, publish, keys, tmp_path, monkeypatch):
    """While keys are changed, both are trusted; the variable is the service's own."""
    publish()
    models("sign", "1", "--key", str(keys / "private.pem"))
    models("keygen", "--out", str(tmp_path / "other"))
    paths = [str(directory / "public.pem") for directory in (tmp_path / "other", keys)]

    options = [word for path in paths for word in ("--public-key", path)]
    by_options = models("verify", "1", "--json", *options)
    monkeypatch.setenv("GLYPH_PUBLIC_KEYS", ", ".join(paths))
    by_variable = models("verify", "1", "--json")

    key_id = PublicKey.read(keys / "public.pem").id
    assert [key_id] * 2 == [json.loads(o[1])[0]["signed_by"] for o in (by_variable, by_options)]


@pytest.mark.parametrize(
    ("value", "code", "problem"),
    [
        (",", 2, "paths of PEM files are expected, with commas"),
        ("nowhere.pem", 1, "nowhere.pem: cannot be read: No such file or directory"),
    ],
)
def test_keys_that_are_none_stop_the_check(models, publish, value, code, problem):
    """Nobody means to check nothing."""
    publish()

    found, _, err = models("verify", "--public-key", value)
    assert (code, True) == (found, problem in err)


def test_paths_stand_between_commas_or_as_in_path():
    """With or without a space."""
    text = os.pathsep.join(["a.pem", "b.pem, c.pem"])
    assert ["a.pem", "b.pem", "c.pem"] == [path.name for path in key_paths(text)]


def test_the_signature_comes_with_a_copy(models, store, publish, keys, tmp_path):
    """Whoever adopts a version elsewhere can check it there."""
    publish()
    models("sign", "1", "--key", str(keys / "private.pem"))
    elsewhere = type(store)(tmp_path / "elsewhere")
    elsewhere.adopt(store.path("mnist", 1), "mnist")

    public = PublicKey.read(keys / "public.pem")
    verify_signature(elsewhere.path("mnist", 1), (public,))
    with pytest.raises(SignatureError):
        verify_signature(elsewhere.path("mnist", 1), (PrivateKey.make().public,))
