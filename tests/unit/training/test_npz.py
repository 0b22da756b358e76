""".npz files: read as they are, or refused with the file's and the array's name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from training.data.sources import load
from training.errors import DataError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shapes.npz"


def refusal(path) -> str:
    """Load the file; give the sentence it is refused with, which must name it."""
    with pytest.raises(DataError, match=re.escape(f"{path}: ")) as caught:
        load(str(path), None)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_is_read_whole(path, arrays):
    """A missing channel axis is added; classes are counted from the labels."""
    np.savez(path, **arrays)

    data = load(str(path), None)

    assert ("shapes", ("0", "1", "2")) == (data.name, data.classes)
    assert ((6, 28, 28, 1), (3, 28, 28, 1)) == (data.train.images.shape, data.test.images.shape)
    assert arrays["y_train"].tolist() == data.train.labels.tolist()


def test_class_names_may_be_given(path, arrays):
    """The array class_names names the classes in the order of their labels."""
    np.savez_compressed(path, class_names=np.array(["line", "ring", "dot"]), **arrays)

    assert ("line", "ring", "dot") == load(str(path), None).classes


def test_class_names_may_be_bytes(path, arrays):
    """As NumPy keeps text of other programs."""
    np.savez(path, class_names=np.array([b"line", b"ring", "dût".encode()]), **arrays)

    assert ("line", "ring", "dût") == load(str(path), None).classes


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_array_is_named(path, arrays, key):
    """The sentence says what is missing and what is there."""
    del arrays[key]
    np.savez(path, **arrays)

    assert f"has no array '{key}'; it has {', '.join(arrays)}" == refusal(path)


@pytest.mark.parametrize(
    ("key", "array", "sentence"),
    [
        (
            "x_train",
            np.zeros((6, 28, 28), np.float32),
            "x_train is float32 of shape (6, 28, 28); uint8 of (n, rows, columns) is expected",
        ),
        (
            "x_test",
            np.zeros((3, 784), np.uint8),
            "x_test is uint8 of shape (3, 784); uint8 of (n, rows, columns) is expected",
        ),
        ("x_test", np.zeros((0, 28, 28), np.uint8), "x_test: holds no image"),
        (
            "x_train",
            np.zeros((6, 28, 4), np.uint8),
            "x_train: the images have 28 x 4 pixels; at least 8 x 8 is expected",
        ),
        (
            "y_train",
            np.zeros((6, 3)),
            "y_train is float64 of shape (6, 3); integers of shape (n,) are expected",
        ),
        ("y_test", np.arange(2), "y_test has 2 labels, but x_test has 3 images"),
        (
            "y_train",
            np.array([0, -1, 2, 0, 1, 2]),
            "y_train: the label at index 1 is -1; 0 to 2 is expected",
        ),
        (
            "y_test",
            np.array([0, 1, 10**9]),
            "y_test: the label at index 2 is 1000000000; 0 to 255 is expected",
        ),
        (
            "class_names",
            np.array(["line", "ring"]),
            "y_train: the label at index 2 is 2; 0 to 1 is expected",
        ),
        (
            "class_names",
            np.array(["line", "ring", "line"]),
            "y_train: the class name 'line' comes twice",
        ),
        (
            "class_names",
            np.arange(300),
            "y_train: the number of classes is 300; 2 to 256 are expected",
        ),
        ("y_train", np.array([0, 1, 0, 1, 0, 1]), "y_train: of 3 classes, '2' has no image"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)
def test_a_wrong_array_is_named(path, arrays, key, array, sentence):
    """The sentence says which array, what was found and what is expected."""
    np.savez(path, **arrays | {key: array})

    assert sentence == refusal(path)


def test_pickled_objects_are_refused(path, arrays):
    """An object array is not unpickled, since that would run code from the file."""
    np.savez(path, **arrays | {"y_test": np.array([0, "one", None], dtype=object)})

    assert "cannot be read: Object arrays cannot be loaded" in refusal(path)


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda _: b"no zip", lambda content: content[: len(content) // 2]],
    ids=["empty", "text", "truncated"],
)
def test_a_damaged_file_is_refused(path, arrays, damage):
    """What is no zip archive, or was cut off, is not an .npz file."""
    np.savez(path, **arrays)
    path.write_bytes(damage(path.read_bytes()))

    assert "is no .npz file, or is truncated" == refusal(path)


def test_a_flipped_byte_is_refused(path, arrays):
    """The archive's own checksum shows the damage."""
    np.savez(path, **arrays)
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(content)

    assert "cannot be read: Bad CRC-32 for file 'x_train.npy'" == refusal(path)
