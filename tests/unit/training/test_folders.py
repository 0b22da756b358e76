"""A directory with a folder of images per class."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from training.data.sources import load
from training.errors import DataError


def refusal(folders, path) -> str:
    """Load the directory; give the sentence it is refused with, which must name the path."""
    with pytest.raises(DataError, match=re.escape(f"{path}: ")) as caught:
        load(str(folders.path), None)
    return str(caught.value).removeprefix(f"{path}: ")


def test_folders_are_classes(folders):
    """Names come from the folders, in order; a fifth of every class is set aside for the test."""
    data = load(str(folders.path), None)

    assert ("shapes", ("circle", "square")) == (data.name, data.classes)
    assert ([4, 4], [1, 1]) == tuple(
        np.bincount(split.labels).tolist() for split in (data.train, data.test)
    )
    assert (8, 28, 28, 1) == data.train.images.shape
    assert [0] * 4 + [1] * 4 == (data.train.images[:, 0, 0, 0] // 40).tolist()


def test_train_and_test_folders_are_kept_apart(make_folders):
    """Where train/ and test/ are there, nothing is moved between them."""
    make_folders("test/a", "test/b", each=2)
    folders = make_folders("train/a", "train/b", each=3)

    data = load(str(folders.path), None)

    assert (("a", "b"), 6, 4) == (data.classes, len(data.train), len(data.test))


def test_hidden_files_and_folders_are_passed_over(folders):
    """What file managers and notebooks leave behind is no image and no class."""
    (folders.path / ".ipynb_checkpoints").mkdir()
    (folders.path / "circle" / ".DS_Store").write_bytes(b"\0")

    assert ("circle", "square") == load(str(folders.path), None).classes


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P"])
def test_images_of_any_kind_become_28_x_28_grey(folders, mode):
    """A photo in colour and of another size is read like the rest."""
    Image.new(mode, (60, 40), 1).save(folders.path / "circle" / "big.png")

    assert (28, 28, 1) == load(str(folders.path), None).train.images.shape[1:]


def test_an_empty_class_is_refused(folders):
    """A folder without images would be a class without images."""
    empty = folders.path / "triangle"
    empty.mkdir()

    assert "this class has no image" == refusal(folders, empty)


def test_a_class_with_too_few_images_to_test_with_is_refused(folders):
    """One image cannot be both learnt from and tested with."""
    for path in list((folders.path / "square").iterdir())[1:]:
        path.unlink()

    assert "cannot set 2 of 6 images aside with some of every class" in refusal(
        folders, folders.path
    )


@pytest.mark.parametrize(
    ("classes", "found"), [((), "0 folders"), (("circle",), "one folder, 'circle'")]
)
def test_fewer_than_two_folders_are_refused(make_folders, classes, found):
    """There is nothing to tell apart."""
    folders = make_folders(*classes)

    expected = f"holds {found}; one per class is expected, at least two"
    assert expected == refusal(folders, folders.path)


def test_a_test_class_that_is_not_trained_is_refused(make_folders):
    """A folder below test/ without its twin below train/ is not ignored."""
    make_folders("train/a", "train/b")
    folders = make_folders("test/a", "test/c")

    expected = f"{folders.path / 'train'} has no such class"
    assert expected == refusal(folders, folders.path / "test" / "c")


def test_a_file_that_is_no_image_is_refused(folders):
    """A text among the images is named."""
    notes = folders.path / "circle" / "notes.txt"
    notes.write_text("buy milk")

    expected = "cannot be read as a picture: the picture starts with 62 75 79 20 6d 69 6c 6b; "
    assert refusal(folders, notes).startswith(expected)


def test_a_truncated_image_is_refused(folders):
    """A file that ends early is not filled up with grey."""
    path = folders.path / "square" / "noise.png"
    Image.effect_noise((28, 28), 50).save(path)
    path.write_bytes(path.read_bytes()[:400])

    assert refusal(folders, path).startswith("cannot be read as a picture: the PNG")


def test_an_image_of_16_bits_is_scaled(folders):
    """Values above 255 are not cut off."""
    Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(folders.path / "circle" / "0.png")

    data = load(str(folders.path), None)

    assert 40_000 // 256 in {*data.train.images.flat, *data.test.images.flat}


def test_a_huge_image_is_refused_unread(folders):
    """The header is enough to tell that decoding would cost too much."""
    path = folders.path / "circle" / "poster.png"
    Image.new("1", (7000, 7000)).save(path)

    expected = "the picture is 7000 x 7000 pixels large; at most 40000000 in all are read"
    assert expected == refusal(folders, path)
