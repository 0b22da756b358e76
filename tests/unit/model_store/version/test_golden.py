"""The golden images of a version."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from model_store import Golden, InvalidDocumentError
from model_store.version import golden as golden_module


@pytest.fixture
def path(tmp_path, golden):
    """Return the golden file of a version in tmp_path."""
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


@pytest.fixture
def write_npy(path):
    """Return a function that writes the images' array as a header and its content."""

    def write(header: str, content: bytes) -> None:
        with np.load(path) as stored:
            others = {name: stored[name] for name in ("probabilities", "tolerance")}
        np.savez(path, **others)
        text = f"{header}\n".encode()
        with zipfile.ZipFile(path, "a") as archive:
            magic = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
            archive.writestr("images.npy", magic + text + content)

    return write


def test_an_array_that_promises_more_than_it_holds_takes_no_memory(path, write_npy):
    """Its header is compared with what the file holds, before anything is made of it."""
    write_npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**50},)}}", b"1")

    field, problem = refusal(path)

    assert (None, "cannot be read: cannot reshape array of size 1") == (field, problem[:46])


def test_objects_are_not_read(path, write_npy):
    """To read them is to run what they say."""
    write_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"1")

    assert (None, "cannot be read: an array of numbers is expected") == refusal(path)


def test_arrays_that_grow_when_they_are_read_are_bounded(path, monkeypatch):
    """A compressed file of a few KiB may hold as many GiB."""
    monkeypatch.setattr(golden_module, "MAX_GOLDEN_BYTES", 1000)

    field, problem = refusal(path)

    assert (None, "at most 1000 are read") == (field, problem[-21:])
