"""IDX files: read as they are, or refused with the file's name."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from training.data.sources import load
from training.errors import DataError


def refusal(idx, path) -> str:
    """Load the directory; give the sentence it is refused with, which must name the file."""
    with pytest.raises(DataError, match=re.escape(f"{path}: ")) as caught:
        load(str(idx.path), None)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_directory_is_read_whole(idx):
    """Images keep their order and their sides; classes are counted from the training labels."""
    data = load(str(idx.path), None)

    assert ("letters", ("0", "1", "2")) == (data.name, data.classes)
    assert ((30, 12, 10, 1), (9, 12, 10, 1)) == (data.train.images.shape, data.test.images.shape)
    assert [0, 1, 2] * 3 == data.test.labels.tolist()


def test_files_may_be_plain(idx):
    """A file without .gz is read like its compressed twin."""
    expected = load(str(idx.path), None).digests()
    for path in list(idx.path.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()

    assert expected == load(str(idx.path), None).digests()


def test_a_missing_file_is_named(idx):
    """The directory and both accepted names are in the sentence."""
    idx.labels("t10k").unlink()

    assert "there is no t10k-labels-idx1-ubyte and no t10k-labels-idx1-ubyte.gz" == refusal(
        idx, idx.path
    )


def test_a_wrong_magic_number_is_refused(idx):
    """An image file in the place of the labels shows by its magic number."""
    idx.write_labels("train", np.zeros(30, np.uint8), magic=0x0803)

    expected = "starts with magic number 0x00000803; 0x00000801 is expected"
    assert expected == refusal(idx, idx.labels("train"))


def test_data_shorter_than_the_header_says_are_refused(idx):
    """The sentence gives both sizes and the dimensions."""
    idx.rewrite(idx.images("train"), lambda content: content[:-7])

    expected = "3593 bytes of data; its header promises 3600 (30 x 12 x 10)"
    assert expected == refusal(idx, idx.images("train"))


def test_data_longer_than_the_header_says_are_refused(idx):
    """Bytes after the last image are no part of the format."""
    idx.rewrite(idx.images("t10k"), lambda content: content + b"more")

    expected = "1084 bytes of data; its header promises 1080 (9 x 12 x 10)"
    assert expected == refusal(idx, idx.images("t10k"))


def test_a_file_shorter_than_its_header_is_refused(idx):
    """Even the header may be cut off."""
    idx.rewrite(idx.images("train"), lambda content: content[:10])

    assert "10 bytes; the header alone takes 16" == refusal(idx, idx.images("train"))


def test_a_truncated_gzip_file_is_refused(idx):
    """A download that broke off ends before gzip's end-of-stream marker."""
    path = idx.images("train")
    path.write_bytes(path.read_bytes()[:100])

    assert "cannot be read: Compressed file ended before" in refusal(idx, path)


def test_a_file_that_is_no_gzip_is_refused(idx):
    """An error page saved under the file's name is not decompressed."""
    idx.labels("train").write_bytes(b"<html>404</html>")

    assert "cannot be read: Not a gzipped file" in refusal(idx, idx.labels("train"))


def test_counts_that_differ_are_refused(idx):
    """Both files and both counts are in the sentence."""
    idx.write_labels("t10k", np.arange(8, dtype=np.uint8) % 3)

    expected = f"8 labels, but {idx.images('t10k')} has 9 images"
    assert expected == refusal(idx, idx.labels("t10k"))


def test_a_label_without_a_class_is_refused(idx):
    """A test label that training never saw is named with its index, value and range."""
    idx.write_labels("t10k", np.array([0, 1, 2, 0, 7, 2, 0, 1, 2], np.uint8))

    expected = "the label at index 4 is 7; 0 to 2 is expected"
    assert expected == refusal(idx, idx.labels("t10k"))


def test_a_class_without_images_is_refused(idx):
    """A gap in the labels leaves a class that cannot be learnt."""
    idx.write_labels("train", np.array([0, 1, 3] * 10, np.uint8))

    assert "of 4 classes, '2' has no image" == refusal(idx, idx.labels("train"))


def test_a_single_class_is_refused(idx):
    """There is nothing to tell apart."""
    for part, n in (("train", 30), ("t10k", 9)):
        idx.write_labels(part, np.zeros(n, np.uint8))

    expected = "the number of classes is 1; 2 to 256 are expected"
    assert expected == refusal(idx, idx.labels("train"))


def test_no_images_are_refused(idx):
    """Files that agree on nothing at all are still of no use."""
    idx.write_images("t10k", np.zeros((0, 12, 10), np.uint8))
    idx.write_labels("t10k", np.zeros(0, np.uint8))

    assert "holds no image" == refusal(idx, idx.images("t10k"))


def test_images_too_small_for_the_networks_are_refused(idx):
    """Below 8 x 8 nothing would be left after the last halving."""
    idx.write_images("train", np.zeros((30, 12, 7), np.uint8))

    expected = "the images have 12 x 7 pixels; at least 8 x 8 is expected"
    assert expected == refusal(idx, idx.images("train"))


def test_test_images_of_another_size_are_refused(idx):
    """One network cannot take both."""
    idx.write_images("t10k", np.zeros((9, 14, 14), np.uint8))

    expected = "the images have 14 x 14 pixels; those to train on have 12 x 10"
    assert expected == refusal(idx, idx.labels("t10k"))


def test_a_huge_file_is_refused_unread(idx, monkeypatch):
    """A compressed bomb is not unpacked beyond the bound."""
    monkeypatch.setattr("training.data.idx.MAX_BYTES", 1000)

    assert "holds more than 1000 bytes" == refusal(idx, idx.images("train"))
