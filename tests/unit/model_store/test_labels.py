"""Labels point at versions."""

from __future__ import annotations

import pytest

from model_store import InvalidDocumentError, StoreError, VersionNotFoundError


def test_a_label_points_at_a_version(store, publish):
    """Labels are read back, and can be moved without touching the others."""
    for label, version in (("stable", publish()), ("canary", publish())):
        store.set_label("mnist", label, version)
    store.set_label("mnist", "stable", 2)

    assert {"stable": 2, "canary": 2} == store.labels("mnist")


def test_a_label_needs_a_version(store, publish):
    """A label never points at nothing."""
    publish()

    with pytest.raises(VersionNotFoundError, match="mnist has no version 2"):
        store.set_label("mnist", "stable", 2)

    assert {} == store.labels("mnist")


def test_a_label_needs_a_model(store):
    """A model without a single version is named, and no directory appears for it."""
    with pytest.raises(VersionNotFoundError, match="has no model 'mnist'"):
        store.set_label("mnist", "stable", 1)

    assert not store.root.exists()


def test_a_labelled_version_is_not_removed(store, publish):
    """The sentence says which label holds it."""
    store.set_label("mnist", "stable", publish())

    with pytest.raises(StoreError, match="mnist version 1 is labelled stable; it stays"):
        store.remove("mnist", 1)

    assert [1] == store.versions("mnist")


@pytest.mark.parametrize(
    ("content", "field"),
    [('{"stable": "one"}', "stable"), ('{"a b": 1}', "a b.[key]"), ("{", None)],
    ids=["no number", "no name", "no JSON"],
)
def test_broken_labels_are_refused(store, publish, content, field):
    """The file and the field are named."""
    publish()
    path = store.root / "mnist" / "labels.json"
    path.write_text(content)

    with pytest.raises(InvalidDocumentError) as caught:
        store.labels("mnist")

    assert (path, field) == (caught.value.path, caught.value.field)
