"""A version's signature is part of its trial where keys are set, and nothing is asked elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.host.loading.loader import Loader, UnfitError
from app.host.loading.signature_check import signature_check
from model_store import KeyFileError
from model_store.signing.keys import PrivateKey
from model_store.signing.signatures import sign

ROOT = Path(__file__).parents[5]
KEY = PrivateKey.make()


@pytest.fixture
def public(tmp_path) -> Path:
    """Return the file of the trusted key."""
    (tmp_path / "public.pem").write_bytes(KEY.public.pem())
    return tmp_path / "public.pem"


@pytest.fixture
def runtime(make_runtime):
    return make_runtime("fake f32")


@pytest.fixture
def load(publisher, runtime, public):
    """Return a function that loads version 1 in a host that trusts KEY, signed as given."""
    publisher.publish()
    store = publisher.store

    def run(signer: PrivateKey | None, paths=(public,)):
        if signer is not None:
            store.add_signature("shapes", 1, sign(store.path("shapes", 1), signer))
        loader = Loader(
            lambda: iter([runtime]),
            max_batch=4,
            check_signature=signature_check(paths),
        )
        return loader.examine(store.path("shapes", 1), "shapes", 1)

    return run


def test_a_signed_version_is_loaded(load):
    """Its key is one of those that are trusted."""
    assert 1 == load(KEY).version


@pytest.mark.parametrize("signer", [None, PrivateKey.make()], ids=["unsigned", "a stranger's"])
def test_what_no_trusted_key_signed_is_not_loaded(load, publisher, runtime, signer):
    """It is no fault that lasts: other servers may trust its key, and it may be signed yet."""
    with pytest.raises(UnfitError, match=r"model\.sig: is (missing|by the key)") as caught:
        load(signer)

    digest = publisher.store.manifest("shapes", 1).digest
    assert (False, digest) == (caught.value.lasting, caught.value.digest)
    assert [] == runtime.tried


def test_without_keys_any_version_is_loaded(load):
    """Nobody asked for signatures."""
    assert 1 == load(None, ()).version


def test_a_key_that_cannot_be_used_is_not_passed_over(tmp_path):
    """Whoever names two keys does not mean to trust one."""
    with pytest.raises(KeyFileError, match="cannot be read"):
        signature_check([tmp_path / "nowhere.pem"])


@pytest.fixture
def start(tmp_path):
    """Return a function that imports what a service imports; it returns exit code and output."""

    def run(program: str = "", **settings: str) -> tuple[int, str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GLYPH_")}
        environment |= {"GLYPH_RUN_DIR": str(tmp_path / "run")} | settings
        lines = ["import sys, app.host.service, app.server.gunicorn_config, app.wsgi", program]
        command = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_service_does_not_start_with_a_key_that_cannot_be_used(start, tmp_path):
    """One line says which setting, which file, and what it holds; a good key is taken."""
    (tmp_path / "private.pem").write_bytes(KEY.pem())
    value = str(tmp_path / "private.pem")

    code, _, err = start(GLYPH_PUBLIC_KEYS=value)

    problem = f"{value}: holds a private key; the public one is expected"
    assert (2, f"glyph: GLYPH_PUBLIC_KEYS={value!r}: {problem}\n") == (code, err)


def test_a_service_starts_with_a_good_key(start, public):
    """It is looked at, and nothing is said."""
    assert (0, "", "") == start(GLYPH_PUBLIC_KEYS=str(public))


def test_without_keys_cryptography_is_not_imported(start):
    """It costs memory in every process."""
    assert (0, "False\n", "") == start("print('cryptography' in sys.modules)")
