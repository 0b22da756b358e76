"""A version in a real host, with OpenVINO: published, promoted, given up, and over restarts."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from app.web.http.errors import NotFoundError
from model_store import Golden
from model_store.version.manifest import MANIFEST, Manifest
from tests.starter_store import MODEL

if TYPE_CHECKING:
    import numpy as np

pytestmark = pytest.mark.timeout(60)
MNIST = "mnist"


def falsify(store, version: int, **arrays: np.ndarray) -> None:
    """Replace a version's golden answers, and its manifest to match: it is complete, and wrong."""
    directory = store.path(MNIST, version)
    golden = Golden.read(directory)
    known = {name: getattr(golden, name) for name in ("images", "probabilities", "tolerance")}
    Golden(**known | arrays).write(directory)
    text = Manifest.of(directory).model_dump_json()
    (directory / MANIFEST).write_text(text)


def publish_wrong(store, tmp_path, golden) -> int:
    """Publish a version whose classes are swapped, as if its labels had been mixed up."""
    number = store.latest(MNIST) + 1
    aside = type(store)(tmp_path / f"aside {number}")
    while aside.publish() < number:
        pass
    falsify(aside, number, probabilities=golden.probabilities[:, ::-1].copy())
    aside.path(MNIST, number).rename(store.path(MNIST, number))
    return number


def test_versions_are_published_promoted_and_rolled_back_over_restarts(start, store, golden):
    """What was rolled back stays so, whatever is published and however often the host starts."""
    host = start()
    host.until(v1="serving")
    store.publish()
    host.until(v2="serving")
    promoted = host.ask("promote", version=2, reason="it is better")
    rolled_back = host.ask("rollback", reason="it is not")
    store.publish()
    host.until(v3="serving", v1="serving")
    host.close()
    host = start()
    host.until(v3="serving", v1="serving")
    pinned = host.predict(golden.images[:1]).answer.version, host.mnist.pinned
    host.ask("unpin")
    host.until_default(3)

    assert {"stable": 1} == host.mnist.labels
    assert ((True, True), (1, 1)) == ((promoted["ok"], rolled_back["ok"]), pinned)
    assert 3 == host.predict(golden.images[:1]).answer.version
    assert [("promote", 2, "it is better"), ("rollback", 1, "it is not"), ("unpin", 1, None)] == [
        (c.action, c.version, c.reason) for c in store.history(MNIST) if c.by == "ann"
    ]


def test_any_loaded_version_can_be_asked_for(start, store, golden):
    """By number, while another is the default; one that is not loaded is not found."""
    host = start(version_policy="latest:2")
    host.until(v1="serving")
    store.publish()
    store.publish()
    host.until(v3="serving", v2="serving")

    assert (2, 3) == tuple(
        host.predict(golden.images[:1], version=version).answer.version for version in (2, 0)
    )
    with pytest.raises(NotFoundError, match="version 1"):
        host.predict(golden.images[:1], version=1)


def test_a_version_with_wrong_answers_is_remembered_over_restarts(start, store, tmp_path, golden):
    """It is whole and it loads, but its classes are swapped; the next host does not try it."""
    host = start()
    host.until(v1="serving")
    publish_wrong(store, tmp_path, golden)
    host.until(v2="refused", v1="serving")
    reason = host.mnist.version(2).reason
    refused = host.metric("glyph_model_loads_total", model=MNIST, outcome="refused")
    host.close()
    host = start()
    host.until(v2="refused", v1="serving")

    assert "openvino f32: golden image 0 at batch size 1: the probability of class" in reason
    assert (1, reason) == (refused, host.mnist.version(2).reason)
    assert (1, 1) == (
        host.metric("glyph_model_versions_refused", model=MNIST),
        host.metric("glyph_model_versions_loaded", model=MNIST),
    )
    assert "glyph-serve" == store.control(MNIST).quarantined[2].by


def test_a_released_version_is_tried_again_at_once(start, store, tmp_path, golden):
    """The answer to the release comes after the trial."""
    host = start()
    host.until(v1="serving")
    publish_wrong(store, tmp_path, golden)
    host.until(v2="refused", v1="serving")
    falsify(store, 2, probabilities=golden.probabilities)
    host.ask("release", version=2)

    assert 2 == host.mnist.default


def test_a_version_that_is_copied_slowly_is_taken_in_the_end(start, store, tmp_path):
    """The manifest comes first; the other files follow one by one."""
    host = start()
    host.until(v1="serving")
    aside = type(store)(tmp_path / "aside")
    for _ in range(2):
        aside.publish()
    source, target = aside.path(MNIST, 2), store.path(MNIST, 2)
    target.mkdir()
    shutil.copy(source / MANIFEST, target)
    host.until(v2="refused", v1="serving")
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / path.relative_to(source))
        time.sleep(0.02)

    host.until(v2="serving")
    assert {} == store.control(MNIST).quarantined


def test_a_second_model_is_found_and_served_beside_the_first(start, store, golden):
    """Each has its own versions; to swap one is nothing to the other."""
    host = start()
    host.until(v1="serving")
    shutil.copytree(store.root / MNIST, store.root / ".digits")
    metadata = store.root / ".digits/1/metadata.json"
    metadata.write_text(metadata.read_text().replace('"model": "mnist"', '"model": "digits"'))
    (store.root / ".digits/1" / MANIFEST).write_text(
        Manifest.of(store.root / ".digits/1").model_dump_json()
    )
    (store.root / ".digits").rename(store.root / "digits")
    while not (len(host.worker.status.models) == 2 and host.worker.status.models[1].ready):
        time.sleep(0.01)
    store.publish()
    host.until(v2="serving")

    versions = [
        host.predict(golden.images[:1], model=model).answer.version for model in (None, "digits")
    ]
    assert [2, 1] == versions


def test_an_unloaded_model_is_loaded_again(start, golden):
    """Nothing is in memory meanwhile; the answer to the load comes when it serves."""
    host = start()
    host.until(v1="serving")
    host.ask("unload", reason="it is not needed")
    host.until()
    reason = host.mnist.reason
    loaded = host.ask("load")

    assert (True, "mnist was unloaded; glyph models load mnist takes it up again") == (
        loaded["ok"],
        reason,
    )
    assert 1 == host.predict(golden.images[:1]).answer.version


def test_what_cannot_be_done_is_refused_with_a_sentence(start):
    """The store's own."""
    host = start()
    host.until(v1="serving")

    refused = host.ask("pin", version=7)
    error = "mnist has no version 7 (it has: 1)"
    assert {"ok": False, "error": error, "change": None, "unavailable": False} == refused


def test_a_version_that_turns_bad_after_the_swap_gives_way(start, store, golden, monkeypatch):
    """Its golden images are run again while it serves; the one before it comes back by itself."""
    host = start(auto_rollback_s=60)
    host.until(v1="serving")
    store.publish()
    host.until(v2="serving", v1="serving")
    loaded = host.service._engine.routes[MODEL].serving[2]
    compute = type(loaded.model).predict

    def turn_bad(model, parts):
        right = compute(model, parts)
        return right[:, ::-1].copy() if model is loaded.model else right

    monkeypatch.setattr(type(loaded.model), "predict", turn_bad)
    host.until(v2="refused", v1="serving")

    assert 1 == host.predict(golden.images[:1]).answer.version
    assert (1, 1) == (store.control(MNIST).pinned, host.mnist.pinned)
    assert " run again while it served: the probability of class" in host.mnist.version(2).reason
    assert 1 == host.metric("glyph_model_rollbacks_total", model=MNIST)


def test_a_version_that_stays_good_is_kept(start, store):
    """When its time is over, the one before it goes."""
    host = start(auto_rollback_s=1)
    host.until(v1="serving")
    store.publish()
    host.until(v2="serving", v1="serving")
    host.until(v2="serving")

    assert (2, None) == (host.mnist.default, host.mnist.pinned)


def test_a_store_that_is_away_is_told_while_everything_serves(start, store, golden):
    """Readiness stays; a metric and the status tell, until it is back."""
    host = start()
    host.until(v1="serving")
    store.root.rename(store.root.with_name("away"))
    while host.worker.status.store_trouble is None:
        time.sleep(0.01)
    during = host.worker.status, host.metric("glyph_store_up")
    answered = host.predict(golden.images[:1]).answer.version
    store.root.with_name("away").rename(store.root)
    while host.worker.status.store_trouble is not None:
        time.sleep(0.01)

    assert (True, 0, 1) == (during[0].ready, during[1], answered)
    assert "shows no version of mnist any more" in during[0].store_trouble
    assert 1 == host.metric("glyph_store_up")
