"""Downloads the named data sets into a cache: public mirrors, retries, digest checks."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pooch

from training.data.idx import read_bytes
from training.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_RETRIES = 3
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a data set can be had, and what its files must be."""

    mirrors: tuple[str, ...]
    compressed: dict[str, str | None]
    """File name -> digest of the .gz as pooch writes it, or None where mirrors compress anew."""
    uncompressed: dict[str, str]
    """File name -> SHA-256 of the bytes inside."""


_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_MNIST_SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
_FASHION_MD5 = (  # published by github.com/zalandoresearch/fashion-mnist
    "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "md5:25c81989df183df01b3e8a0aad5dffbe",
    "md5:bef4ecab320f06d8554ea6380940ec79",
    "md5:bb300cfdad3c16e7a12a480ee83cd310",
)
REMOTES = {
    "mnist": Remote(
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        compressed=dict.fromkeys(_FILES),
        uncompressed=dict(zip(_FILES, _MNIST_SHA256, strict=True)),
    ),
    "fashion-mnist": Remote(
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            # S3 gives websites over plain HTTP only.
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        compressed=dict(zip(_FILES, _FASHION_MD5, strict=True)),
        uncompressed={},
    ),
}


def fetch(name: str, cache: Path | None = None) -> Path:
    """Make sure that the files of a data set are in the cache.

    Args:
        name: A key of REMOTES.
        cache: Parent directory; the user's cache directory by default.

    Returns:
        The directory that holds the four files.

    Raises:
        DataError: If no mirror gave the right files; says what to do without a network.
    """
    directory = (cache or pooch.os_cache("glyph")) / name
    remote = REMOTES[name]
    problem = None
    for mirror in remote.mirrors:
        problem = _fetch_from(mirror, remote, directory)
        if problem is None:
            return directory
    raise DataError(
        f"{name} could not be downloaded ({problem}). Without a network, give a directory that "
        "holds its four files with --data-dir, or train on --data digits, which needs none"
    )


def _fetch_from(mirror: str, remote: Remote, directory: Path) -> str | None:
    """Fetch what the cache lacks; gives the problem, or None."""
    cache = pooch.create(
        path=directory, base_url=mirror, registry=remote.compressed, retry_if_failed=_RETRIES
    )
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=_TIMEOUT_S)
    for name in remote.compressed:
        try:
            cache.fetch(name, downloader=downloader)
            _check(directory / name, remote.uncompressed.get(name))
        except (OSError, ValueError, DataError) as exc:  # requests' errors are OSErrors
            return f"{name} from {mirror}: {_reason(exc)}"
    return None


def _check(path: Path, expected: str | None) -> None:
    """Refuse a file whose bytes are wrong, and remove it so that the next run fetches it anew."""
    if expected is None:
        return
    try:
        found = hashlib.sha256(read_bytes(path)).hexdigest()
    except DataError:
        path.unlink()
        raise
    if found != expected:
        path.unlink()
        problem = f"the bytes inside have SHA-256 {found[:12]}…; {expected[:12]}… is expected"
        raise DataError(f"{path}: {problem}")


def _reason(exc: BaseException) -> str:
    """Return the first cause: "Connection refused" says more than the layers above it."""
    while exc.__context__ is not None:
        exc = exc.__context__
    text = getattr(exc, "strerror", None) or str(exc)
    return text if len(text) <= 160 else f"{text[:160]}…"  # noqa: PLR2004
