"""A version's life in a running service: tried, swapped, refused, split, compared, rolled back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from model_store.operations import operations
from model_store.version.manifest import MANIFEST
from tests.benchmarks.scenarios import damage
from tests.benchmarks.scenarios.damage import GOOD, REFUSED
from tests.benchmarks.scenarios.shadow import counts
from tests.benchmarks.scenarios.states import (
    default_of,
    described,
    refusal,
    refusals,
    states,
    wait_for_default,
    wait_until_passed,
)
from tests.benchmarks.scenarios.variants import MNIST, SHAPES, marked, publish, unmarked
from tests.service import REST_S, Clients, wait_until

SEVEN = 7
"""What the first marked image is to the first of the models; each other sees a class further."""


@pytest.fixture
def ask():
    """Ask about the marked image, in which each of the models sees another class."""
    return {"instances": marked("good-0", 1).tolist()}


def seen_by(version):
    """Return the class that a version predicts for the marked image, where the three take turns."""
    return (SEVEN + (version - 1) % len(MNIST)) % 10


def test_every_answer_over_swaps_is_its_versions(start, store, ask):
    """Models that disagree take turns: no request fails, and none is answered by another's hand."""
    service = start()

    with Clients(service, 4, body=ask, rest_s=REST_S) as clients:
        for version in range(2, 5):
            assert version == publish(store, "mnist", MNIST[(version - 1) % len(MNIST)])
            wait_until(lambda v=version: clients.answered(v) > 20, f"answers by version {version}")

    assert [] == clients.failures
    assert {(version, seen_by(version)) for version in range(1, 5)} == set(clients.classes)
    wait_until(lambda: set(states(service)) == {4}, "the older ones are gone")


def test_bad_versions_are_refused_with_their_reasons(start, store, tmp_path):
    """Each kind is counted and told of, and the good version answers all the time."""
    for _ in range(GOOD):
        publish(store, "mnist", "good-0")
    service, scene = start(runtime="openvino"), damage.Scene(store, tmp_path)

    with Clients(service, 2, rest_s=REST_S) as clients:
        reasons = refusals(service, damage.place_all(scene, REFUSED))
        ignored = damage.without_manifest(scene)
        clients.wait_for_more()

    assert [] == clients.failures
    assert {GOOD} == set(clients.versions)
    assert [] == [kind for kind, (_, part) in REFUSED.items() if part not in reasons[kind]]
    assert ignored not in states(service)
    labels = {"model": "mnist", "outcome": "refused"}
    assert len(REFUSED) == service.metric("glyph_model_loads_total", **labels)


def test_a_version_whose_manifest_came_first_serves_once_it_is_whole(start, store, tmp_path):
    """Until then it is refused; nobody has to ask for it again."""
    publish(store, "mnist", "good-0")
    service, source = start(), damage.Scene(store, tmp_path).good()
    target = store.path("mnist", 2)
    target.mkdir()
    shutil.copy(source / MANIFEST, target)

    with Clients(service, 2, rest_s=REST_S) as clients:
        reason = wait_until(lambda: refusal(service, 2), "the half of it is refused")
        shutil.copytree(source, target, dirs_exist_ok=True)
        wait_until(lambda: clients.answered(2), "it serves")

    assert "missing" in reason
    assert [] == clients.failures


def test_a_rollback_holds(start, store):
    """Against a newer good version and over a restart, until it is unpinned; the history tells."""
    for variant in MNIST[:2]:
        publish(store, "mnist", variant)
    service = start()

    with Clients(service, 2, rest_s=REST_S) as clients:
        wait_for_default(service, publish(store, "mnist", "good-2"))
        _command(store, "rollback", "--reason", "sevens look like nines")
        wait_for_default(service, 2)
        newest = publish(store, "mnist", "good-0")
        wait_until(lambda: states(service).get(newest) == "serving", "the newest was tried")
        clients.wait_for_more()
        pinned = default_of(service)
    service.stop()
    service = start()
    after = default_of(service)
    _command(store, "unpin", "--reason", "mended")
    wait_for_default(service, newest)

    assert [] == clients.failures
    assert (2, 2) == (pinned, after)
    told = _command(store, "history")
    assert "sevens look like nines" in told
    assert told.index("rollback") < told.index("unpin")


def test_a_shadow_counts_agreement_exactly(start, store):
    """Of images that both versions see alike, and of images that they see differently."""
    for variant in MNIST[:2]:
        publish(store, "mnist", variant)
    operations.pin(store, "mnist", 1)
    service = start()
    wait_until_passed(store, 2)
    operations.shadow(store, "mnist", 100, 2)
    wait_until(lambda: described(service)["traffic"]["shadow"], "the shadow is known")

    images = np.concatenate([unmarked("good-0", 5), marked("good-0", 3)])
    answer = service.predict({"instances": images.tolist()})
    wait_until(lambda: counts(service).total() == 8, "all are compared")

    assert 1 == answer.json()["model"]["version"]
    assert Counter(agreed=5, disagreed=3) == counts(service)


def test_two_models_of_different_shapes_are_swapped_apart(start, store, ask):
    """Both answer all the time, each with its own versions; a swap of one leaves the other."""
    for model, variant in (("mnist", "good-0"), ("shapes", "shapes-0")):
        publish(store, model, variant)
    service = start()
    wait_for_default(service, 1, "shapes")
    about_shapes = {"instances": marked("shapes-0", 1).tolist()}

    with (
        Clients(service, 2, body=ask, rest_s=REST_S) as digits,
        Clients(
            service, 2, body=about_shapes, path="/models/shapes/predict", rest_s=REST_S
        ) as shapes,
    ):
        publish(store, "shapes", SHAPES[1])
        wait_until(lambda: shapes.answered(2) > 20, "the second version of shapes")
        alone = default_of(service)
        publish(store, "mnist", MNIST[1])
        wait_until(lambda: digits.answered(2) > 20, "the second version of mnist")

    assert ([], []) == (digits.failures, shapes.failures)
    assert (1, 2) == (alone, default_of(service, "shapes"))
    assert {(1, seen_by(1)), (2, seen_by(2))} == set(digits.classes)
    assert {1: 1, 2: 1} == Counter(version for version, _ in shapes.classes)


def _command(store, *arguments):
    """Run glyph models; gives what it prints."""
    command = [sys.executable, "-m", "app", "models", *arguments, "--store", store.root]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
