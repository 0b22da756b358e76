"""Named data sets and paths."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from training.data.sources import CLOTHES, DIGITS, load
from training.errors import DataError


@pytest.fixture
def no_network(monkeypatch):
    """Make every attempt to open a socket fail."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.mark.usefixtures("no_network")
def test_digits_need_no_network():
    """All 1,797 digits are there, a fifth of them for the test, in MNIST's shape."""
    data = load("digits", None)

    assert ("digits", DIGITS) == (data.name, data.classes)
    assert ((1438, 28, 28, 1), (359, 28, 28, 1)) == (
        data.train.images.shape,
        data.test.images.shape,
    )
    assert set(range(10)) == set(data.train.labels.tolist()) == set(data.test.labels.tolist())


def test_digits_fill_mnists_box():
    """The margin of four pixels is background, and ink reaches 255."""
    images = load("digits", None).train.images

    margin = np.ones((28, 28), bool)
    margin[4:-4, 4:-4] = False
    assert 0 == images[:, margin].max()
    assert 255 == images.max()


def test_digits_are_the_same_every_time():
    """The split does not depend on chance."""
    assert load("digits", None).digests() == load("digits", None).digests()


@pytest.mark.parametrize(("name", "classes"), [("mnist", DIGITS), ("fashion-mnist", CLOTHES)])
def test_a_named_set_is_read_from_a_directory(idx, name, classes):
    """With --data-dir nothing is downloaded, and the classes are the set's own."""
    for part, n in (("train", 30), ("t10k", 9)):
        idx.write_labels(part, np.arange(n, dtype=np.uint8) % 10)

    assert (name, classes) == (load(name, idx.path).name, load(name, idx.path).classes)


def test_a_label_beyond_a_named_sets_classes_is_refused(idx):
    """MNIST has ten digits, whatever the labels say."""
    labels = np.arange(30, dtype=np.uint8) % 10
    labels[17] = 10
    idx.write_labels("train", labels)

    with pytest.raises(DataError) as caught:
        load("mnist", idx.path)

    expected = f"{idx.labels('train')}: the label at index 17 is 10; 0 to 9 is expected"
    assert expected == str(caught.value)


def test_an_unknown_name_is_refused_with_the_known_ones():
    """A mistyped name is answered with what there is."""
    with pytest.raises(DataError) as caught:
        load("minst", None)

    known = "(mnist, fashion-mnist, digits)"
    expected = f"minst: there is no such file, and no data set of that name {known}"
    assert expected == str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A path that exists must be a directory or an .npz file."""
    path = tmp_path / "images.csv"
    path.touch()

    with pytest.raises(DataError, match=f"{path}: is neither a directory nor an .npz file"):
        load(str(path), None)
