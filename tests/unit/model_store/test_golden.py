"""The golden images of a version."""

from __future__ import annotations

import numpy as np
import pytest

from model_store import Golden, InvalidDocumentError


@pytest.fixture
def path(tmp_path, golden):
    """Give the golden file of a version in tmp_path."""
    golden.write(tmp_path)
    return tmp_path / "assets.extra" / "golden.npz"


def refusal(path) -> tuple[str | None, str]:
    """Read it; give the field and the problem of the error, whose sentence must name the file."""
    with pytest.raises(InvalidDocumentError) as caught:
        Golden.read(path.parent.parent)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.field, caught.value.problem


@pytest.mark.usefixtures("path")
def test_golden_images_read_back(tmp_path, golden):
    """Images, answers and tolerance are what was written, to the bit."""
    found = Golden.read(tmp_path)

    assert golden.tolerance == found.tolerance
    for name in ("images", "probabilities"):
        expected, array = getattr(golden, name), getattr(found, name)
        assert (expected.dtype, expected.tobytes()) == (array.dtype, array.tobytes())


@pytest.mark.parametrize("field", ["images", "probabilities", "tolerance"])
def test_a_missing_array_is_named(path, field):
    """All three belong to it."""
    with np.load(path) as stored:
        arrays = dict(stored)
    del arrays[field]
    np.savez(path, **arrays)

    assert (field, "is missing") == refusal(path)


@pytest.mark.parametrize(
    ("field", "array"),
    [
        ("images", np.zeros((2, 28, 28, 1), np.float32)),
        ("images", np.zeros((2, 28, 28), np.uint8)),
        ("probabilities", np.zeros((3, 2), np.float32)),
        ("probabilities", np.zeros(2, np.float32)),
        ("probabilities", np.zeros((2, 2))),
        ("tolerance", np.float64("nan")),
        ("tolerance", np.float64("inf")),
        ("tolerance", np.float64(0)),
    ],
    ids=[
        "float images",
        "flat images",
        "another count",
        "no classes",
        "float64",
        "nan",
        "inf",
        "zero",
    ],
)
def test_a_wrong_array_is_named(path, field, array):
    """A tolerance that lets everything pass is as wrong as a wrong shape."""
    with np.load(path) as stored:
        np.savez(path, **dict(stored) | {field: array})

    found, problem = refusal(path)

    assert (field, "must be ") == (found, problem[:8])


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda _: b"no zip", lambda content: content[:200]],
    ids=["empty", "text", "truncated"],
)
def test_a_damaged_file_is_refused(path, damage):
    """Whatever numpy says about it becomes one sentence."""
    path.write_bytes(damage(path.read_bytes()))

    field, problem = refusal(path)

    assert (None, "cannot be read: ") == (field, problem[:16])


def test_a_missing_file_is_refused(tmp_path):
    """A version without golden images cannot be tried."""
    field, problem = refusal(tmp_path / "assets.extra" / "golden.npz")

    assert (None, "cannot be read: ") == (field, problem[:16])
