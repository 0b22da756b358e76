"""The IDX format of the MNIST files, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import Split, check_images
from training.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES_MAGIC = 0x0803
LABELS_MAGIC = 0x0801
FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
MAX_BYTES = 2**30
"""Bound on an uncompressed file."""


def read_directory(directory: Path) -> tuple[Split, Split]:
    """Read the four MNIST-style files; gives the training and the test split.

    Raises:
        DataError: If one is missing or malformed; names the file.
    """
    train, test = (
        read_pair(find(directory, images), find(directory, labels)) for images, labels in FILES
    )
    return train, test


def find(directory: Path, name: str) -> Path:
    """Find a file by its name, with or without .gz.

    Raises:
        DataError: If neither is there.
    """
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise DataError(f"{directory}: there is no {name} and no {name}.gz")


def read_pair(images_path: Path, labels_path: Path) -> Split:
    """Read images with their labels."""
    images = read_array(images_path, IMAGES_MAGIC)
    labels = read_array(labels_path, LABELS_MAGIC)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: {len(labels)} labels, but {images_path} has {len(images)} images"
        )
    check_images(images, str(images_path))
    return Split(images[..., np.newaxis], labels.astype(np.int64), str(labels_path))


def read_array(path: Path, magic: int) -> NDArray[np.uint8]:
    """Read one file, strictly.

    Raises:
        DataError: If it cannot be read, starts with another magic number, or is too short or long.
    """
    content = read_bytes(path)
    dimensions = magic & 0xFF
    header = struct.Struct(f">{1 + dimensions}I")
    if len(content) < header.size:
        raise DataError(f"{path}: {len(content)} bytes; the header alone takes {header.size}")
    found, *shape = header.unpack_from(content)
    if found != magic:
        raise DataError(
            f"{path}: starts with magic number {found:#010x}; {magic:#010x} is expected"
        )
    expected = math.prod(shape)
    if len(content) - header.size != expected:
        sizes = f"{len(content) - header.size} bytes of data; its header promises {expected}"
        raise DataError(f"{path}: {sizes} ({' x '.join(map(str, shape))})")
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)


def read_bytes(path: Path) -> bytes:
    """Read a file, decompressed if its name ends in .gz; bounded."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: holds more than {MAX_BYTES} bytes")
    return content
