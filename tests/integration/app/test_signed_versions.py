"""A real host that is told which keys to trust loads nothing that they did not sign."""

from __future__ import annotations

import time

import pytest

from model_store.signing.keys import PrivateKey, write_pair
from model_store.signing.signatures import sign

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def keys(tmp_path):
    """Return a directory with a key pair."""
    write_pair(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def put_signature(store, keys):
    """Return a function that signs a version, with the trusted key by default."""

    def run(version: int, key: PrivateKey | None = None) -> None:
        key = key or PrivateKey.read(keys / "private.pem")
        store.add_signature("mnist", version, sign(store.path("mnist", version), key))

    return run


def test_only_what_a_trusted_key_signed_is_loaded(start, store, keys, put_signature, golden):
    """Unsigned, and signed by a stranger: refused with the reason, while the old one serves."""
    store.publish()
    put_signature(1)
    host = start(public_keys=str(keys / "public.pem"), version_policy="latest:3")
    host.until(v1="serving")
    store.publish()
    host.until(v2="refused", v1="serving")
    unsigned = host.mnist.version(2).reason
    put_signature(2, PrivateKey.make())
    while host.mnist.version(2).reason in (unsigned, None):  # the latter while it is tried
        time.sleep(0.01)

    assert unsigned.endswith("/mnist/2/model.sig: is missing: the version is not signed")
    assert ", which is none of those trusted: " in host.mnist.version(2).reason
    assert 1 == host.predict(golden.images[:1]).answer.version
    assert 2 == host.metric("glyph_model_loads_total", model="mnist", outcome="refused")


def test_a_version_that_is_signed_later_is_taken(start, store, keys, put_signature):
    """Nothing has to be released: it is not the version's fault that it was not signed yet."""
    store.publish()
    host = start(public_keys=str(keys / "public.pem"))
    host.until(v1="refused")

    put_signature(1)

    host.until(v1="serving")
    assert {} == store.control("mnist").quarantined


def test_without_keys_nothing_is_asked_for(start):
    """Signatures are for whoever wants them."""
    start().until(v1="serving")
