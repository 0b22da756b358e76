"""Two versions side by side."""

from __future__ import annotations

import numpy as np
import pytest

from model_store import Golden, VersionNotFoundError
from model_store.operations.comparison import SECTIONS, compare, compare_golden

CLASSES = ("ring", "line")


def golden(images, probabilities) -> Golden:
    pixels = np.array(images, np.uint8).reshape(len(images), 1, 1, 1)
    return Golden(images=pixels, probabilities=np.array(probabilities, np.float32), tolerance=0.01)


def test_equal_versions_differ_in_nothing(publish, store):
    """Number and time of publishing are no difference."""
    publish()
    publish()

    found = compare(store, "mnist", 1, 2)

    assert ((1, 2), (), SECTIONS) == (found.versions, found.differences, found.same)
    assert (2, 2, 0) == (
        found.golden.shared,
        found.golden.agreeing,
        found.golden.largest_difference,
    )


def test_differences_are_named_by_their_field(publish, store):
    """Numbers come with their change; a field that only one has is there, too."""
    publish()
    description = publish.description
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        (draft.path / "saved_model.pb").write_bytes(b"short")
        draft.commit(
            description.model_copy(
                update={
                    "metrics": description.metrics.model_copy(update={"accuracy": 0.5}),
                    "recipe": "cnn",
                    "parameters": {"scale": 1.0, "dropout": 0.5},
                    "versions": {"python": "3.13.0"},
                }
            )
        )

    found = {d.field: (d.a, d.b, d.change) for d in compare(store, "mnist", 1, 2).differences}

    sizes = found.pop("size.model_bytes"), found.pop("size.all_bytes")
    assert (5 - 140, True) == (sizes[0][2], sizes[1][2] != 0)
    assert {
        "metrics.accuracy": (0.95, 0.5, 0.5 - 0.95),
        "recipe": ("softmax", "cnn", None),
        "parameters.optimizer.name": ("sgd", None, None),
        "parameters.optimizer.rate": (0.5, None, None),
        "parameters.dropout": (None, 0.5, None),
        "versions.python": ("3.11.7", "3.13.0", None),
    } == found


def test_golden_answers_are_compared_on_the_images_that_both_have():
    """In whatever order these are."""
    a = golden([1, 2, 3], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    b = golden([3, 4, 2], [[0.1, 0.9], [1.0, 0.0], [0.25, 0.75]])

    found = compare_golden(a, b, CLASSES, CLASSES)

    assert (2, 1) == (found.shared, found.agreeing)
    assert pytest.approx(0.35) == found.largest_difference


def test_golden_answers_are_compared_by_class_name():
    """A class that only one knows is left out of the difference."""
    a = golden([1], [[0.7, 0.3]])
    b = golden([1], [[0.2, 0.1, 0.7]])

    found = compare_golden(a, b, CLASSES, ("dot", "line", "ring"))

    assert (1, 1) == (found.shared, found.agreeing)
    assert pytest.approx(0.2) == found.largest_difference


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 1)], ids=["other pixels", "another shape"])
def test_nothing_shared_is_nothing_to_compare(shape):
    """There is no difference to give."""
    a = golden([1], [[0.7, 0.3]])
    images = np.zeros((1, *shape), np.uint8)
    b = Golden(images=images, probabilities=a.probabilities, tolerance=0.01)

    found = compare_golden(a, b, CLASSES, CLASSES)

    assert (0, 0, None) == (found.shared, found.agreeing, found.largest_difference)


def test_broken_golden_images_do_not_hide_the_rest(publish, store):
    """Their place is taken by the reason."""
    publish()
    publish()
    path = store.path("mnist", 2) / "assets.extra" / "golden.npz"
    path.unlink()

    found = compare(store, "mnist", 1, 2)

    assert (SECTIONS, True) == (found.same, found.golden.startswith(f"{path}: cannot be read: "))


def test_a_missing_version_is_answered_with_the_present_ones(publish, store):
    """As everywhere."""
    publish()

    with pytest.raises(VersionNotFoundError, match=r"mnist has no version 2 \(it has: 1\)"):
        compare(store, "mnist", 1, 2)
