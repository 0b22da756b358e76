"""A service that trusts keys."""

from __future__ import annotations

import pytest

from tests.benchmarks.scenarios.damage import GOOD, Scene, place_all
from tests.benchmarks.scenarios.states import refusals
from tests.benchmarks.scenarios.variants import publish
from tests.service import REST_S, Clients

keys = pytest.importorskip("model_store.signing.keys", exc_type=ImportError)
signing = pytest.importorskip("model_store.signing.signatures", exc_type=ImportError)
signed_damage = pytest.importorskip(
    "tests.benchmarks.scenarios.signed_damage", exc_type=ImportError
)


def test_with_public_keys_only_signed_versions_serve(start, store, tmp_path):
    """Whatever is unsigned, signed by somebody else or changed afterwards is refused, with why."""
    key = keys.PrivateKey.make()
    (tmp_path / keys.PUBLIC_KEY).write_bytes(key.public.pem())
    scene = Scene(store, tmp_path, signing.sign_with(key))
    for _ in range(GOOD):
        publish(store, "mnist", "good-0", scene.sign_hook)
    service = start(public_keys=tmp_path / keys.PUBLIC_KEY)

    with Clients(service, 2, rest_s=REST_S) as clients:
        reasons = refusals(service, place_all(scene, signed_damage.REFUSED_WITH_KEYS))
        clients.wait_for_more()

    assert [] == clients.failures
    assert {GOOD} == set(clients.versions)
    parts = {kind: part for kind, (_, part) in signed_damage.REFUSED_WITH_KEYS.items()}
    assert [] == [kind for kind, part in parts.items() if part not in reasons[kind]]
