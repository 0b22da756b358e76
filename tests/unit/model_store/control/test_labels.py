"""Labels point at versions."""

from __future__ import annotations

import pytest

from model_store import InvalidDocumentError, StoreError, VersionNotFoundError
from model_store.operations import labels_and_traffic


def test_a_label_points_at_a_version(store, publish):
    """Labels are read back, and can be moved without touching the others."""
    for label, version in (("stable", publish()), ("canary", publish())):
        labels_and_traffic.label(store, "mnist", label, version, force=True)
    labels_and_traffic.label(store, "mnist", "stable", 2, force=True)

    assert {"stable": 2, "canary": 2} == store.control("mnist").labels


def test_a_label_needs_a_version(store, publish):
    """A label never points at nothing."""
    publish()

    with pytest.raises(VersionNotFoundError, match="mnist has no version 2"):
        labels_and_traffic.label(store, "mnist", "stable", 2, force=True)

    assert {} == store.control("mnist").labels


def test_a_label_needs_a_model(store):
    """No directory appears for one without a single version."""
    with pytest.raises(VersionNotFoundError, match="mnist has no version 1"):
        labels_and_traffic.label(store, "mnist", "stable", 1, force=True)

    assert not store.root.exists()


def test_a_labelled_version_is_not_removed(store, publish):
    """The sentence says which label holds it."""
    labels_and_traffic.label(store, "mnist", "stable", publish(), force=True)

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
        store.control("mnist")

    assert (path, field) == (caught.value.path, caught.value.field)
