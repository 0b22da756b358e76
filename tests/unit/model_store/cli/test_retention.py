"""glyph models gc never deletes what may serve."""

from __future__ import annotations

import pytest

from model_store.operations import operations


@pytest.mark.usefixtures("three")
def test_gc_keeps_what_may_serve_and_says_why(store, publish, models):
    """A pin, the policy, labels; the newest, even if it has not been tried yet."""
    for _ in range(4):
        publish()
    operations.pin(store, "mnist", 1)
    operations.policy(store, "mnist", "4,2")

    _, dry, _ = models("gc", "--keep", "1", "--dry-run", "--verbose")
    assert [
        "Version 1 is kept: the default version, pinned.",
        "Version 2 is kept: wanted by the policy 4,2.",
        "Version 4 is kept: wanted by the policy 4,2.",
        "Version 7 is kept: among the newest 1.",
        "Versions that would be removed: 3, 5, 6.",
    ] == dry.splitlines()
    assert [1, 2, 3, 4, 5, 6, 7] == store.versions("mnist")

    _, out, _ = models("gc", "--keep", "1")
    assert "Versions removed: 3, 5, 6. Abandoned drafts removed: 0.\n" == out
    assert [1, 2, 4, 7] == store.versions("mnist")


@pytest.mark.usefixtures("three")
def test_gc_keeps_what_serves_while_the_newest_is_bad(store, publish, models):
    """The newest versions stand in quarantine or were not tried yet; the one before them serves."""
    for _ in range(3):
        publish()
    for version in (4, 5):
        operations.quarantine(store, "mnist", version)

    models("gc", "--keep", "1")

    assert [3, 6] == store.versions("mnist")


@pytest.mark.usefixtures("three")
def test_gc_knows_the_services_policy(store, models, monkeypatch):
    """It stands in the environment, as the service's own."""
    monkeypatch.setenv("GLYPH_VERSION_POLICY", "mnist=latest:2;all")

    models("gc", "--keep", "1")

    assert [2, 3] == store.versions("mnist")


@pytest.mark.usefixtures("three")
def test_gc_is_in_the_history_and_forgets_what_is_gone(store, models):
    """What was known of other versions stays."""
    operations.quarantine(store, "mnist", 1)

    models("gc", "--keep", "1")

    last = store.history("mnist")[-1]
    control = last.control
    assert ("gc", "removed 1, 2") == (last.action, last.reason)
    assert ({}, {3}) == (control.quarantined, set(control.passed))
    assert [1, 2, 3, 4, 5] == [change.generation for change in store.history("mnist")]


@pytest.mark.usefixtures("three")
def test_gc_of_what_is_labelled_meanwhile_says_so(store, models, monkeypatch):
    """What went before is in the history all the same."""
    remove = store.__class__.remove

    def label_second(self, model, version):
        if version == 2:
            operations.label(store, model, "late", 2)
        remove(self, model, version)

    monkeypatch.setattr(store.__class__, "remove", label_second)

    code, _, err = models("gc", "--keep", "1")

    assert (1, "glyph: mnist version 2 is labelled late; it stays\n") == (code, err)
    assert ([2, 3], "removed 1") == (store.versions("mnist"), store.history("mnist")[-1].reason)
