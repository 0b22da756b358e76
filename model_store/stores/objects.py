"""Objects below a URL, through fsspec: every request bounded, every failure a StoreError.

Knows buckets and keys, nothing of models and versions.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs

from model_store.base.errors import StoreError, StoreUnavailableError
from model_store.base.json_documents import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 3
"""Of one socket: a large file may take as long as it goes on arriving."""
_ATTEMPTS = 2
_DEADLINE_S = 8
"""Of a listing or of a few documents: both attempts, the pause between them, and looking up names,
which has no timeout of its own."""
_AT_ONCE = 100
"""Documents asked for in one go, so that many of them do not need more than the deadline."""

_S3_OPTIONS = {
    "config_kwargs": {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
    }
}
_BUCKET = re.compile(r"([A-Za-z0-9._-]+|arn:[^/]+)(/|$)")
_TRIAL = ".created-only-once"
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted"}
"""What S3 and servers like it answer when a name is there, or is just being created."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing says of an object."""

    size: int
    """In bytes."""
    fingerprint: str
    """Another text whenever the object has been replaced."""


class Objects:
    """Lists, reads and writes objects; keys are relative to the URL."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            StoreError: If the package for this kind of URL is missing, or it names no place.
        """
        self.url = url.rstrip("/")
        scheme, _, place = url.partition("://")
        if scheme in ("file", "local"):
            raise StoreError(f"{url}: name a directory without {scheme}://")
        s3 = scheme in ("s3", "s3a")
        if not place.strip("/") or (s3 and not _BUCKET.match(place)):
            raise StoreError(f"{url}: names no bucket")
        try:
            self._fs, self._root = url_to_fs(
                self.url,
                use_listings_cache=False,  # versions must be seen when they are there
                skip_instance_cache=True,
                **(_S3_OPTIONS if s3 else {}),
            )
        except ImportError as exc:
            missing = "s3fs is not installed; pip install 'glyph[s3]'" if s3 else str(exc)
            raise StoreError(f"{url}: {missing}") from exc
        except ValueError as exc:
            raise StoreError(f"{url}: {exc}") from exc
        if s3:
            self._fs.retries = 1  # botocore tries again
        self._limit = {"timeout": _DEADLINE_S} if self._fs.async_impl else {}
        self._creates_once = False

    def listing(self, key: str = "") -> dict[str, Stored | None]:
        """Name what lies right below a key; folders have None. One request per thousand names."""
        with self._explained("list", key):
            try:
                found = self._fs.ls(self._path(key), detail=True, **self._limit)
            except FileNotFoundError as exc:
                if _code(exc) == "NoSuchBucket":
                    raise
                return {}
        return {
            info["name"].rstrip("/").rpartition("/")[2]: _stored(info)
            if info["type"] == "file"
            else None
            for info in found
        }

    def find(self, key: str) -> dict[str, Stored]:
        """Name every object below a key, by its path relative to it."""
        start = len(self._path(key)) + 1
        with self._explained("list", key), contextlib.suppress(FileNotFoundError):
            found = self._fs.find(self._path(key), detail=True, **self._limit)
            return {
                name[start:]: _stored(info)
                for name, info in found.items()
                if info["type"] == "file" and not name.endswith("/")  # a folder that somebody made
            }
        return {}

    def read(self, key: str) -> bytes | None:
        """Return a document's bytes, or one more than are allowed; None if there is none."""
        return self.read_all([key])[0]

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read several documents at the same time; None for each that is not there."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            with self._explained("read", some[0]):
                answers = self._fs.cat_ranges(
                    [self._path(key) for key in some],
                    0,
                    MAX_DOCUMENT_BYTES + 1,
                    on_error="return",
                    **self._limit,
                )
                found += map(_content, answers)
        return found

    def create(self, key: str, data: bytes) -> bool:
        """Create an object, whole or not at all; False where there is one of this name.

        That may be the one meant: where an answer got lost, the request was sent again.

        Raises:
            StoreError: If the server would let a second one take its place.
        """
        if not self._creates_once:
            if self._create(_TRIAL, b"first") and self._create(_TRIAL, b"second"):
                problem = "lets an object be created twice, so that two publishers could collide"
                raise StoreError(f"{self.url} {problem}: it must obey If-None-Match")
            self._creates_once = True
        return self._create(key, data)

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all; one that is there goes."""
        with self._explained("write", key):
            self._fs.pipe_file(self._path(key), data, **self._limit)

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files, several at the same time, each under a key."""
        if files:
            with self._explained("write", next(iter(files))):
                self._fs.put([str(path) for path in files.values()], self._paths(files))

    def download(self, files: Mapping[str, Path]) -> None:
        """Read objects into files, several at the same time; missing directories are made."""
        if files:
            with self._explained("read", next(iter(files))):
                self._fs.get(self._paths(files), [str(path) for path in files.values()])

    def remove(self, key: str) -> None:
        """Delete an object; one that is gone is no error."""
        with self._explained("remove", key), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(key))

    def modified(self, key: str) -> datetime:
        """Return when an object was written, by the server's clock."""
        with self._explained("read", key):
            written: datetime = self._fs.modified(self._path(key))
        return written

    def at(self, key: str) -> str:
        """Return the URL of a key, for messages."""
        return f"{self.url}/{key}" if key else self.url

    def _create(self, key: str, data: bytes) -> bool:
        with self._explained("write", key):
            try:
                self._fs.pipe_file(self._path(key), data, mode="create", **self._limit)
            except Exception as exc:
                if not isinstance(exc, FileExistsError) and _code(exc) not in _TAKEN:
                    raise
                return False
        return True

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _paths(self, keys: Mapping[str, Path]) -> Sequence[str]:
        return [self._path(key) for key in keys]

    @contextlib.contextmanager
    def _explained(self, action: str, key: str) -> Iterator[None]:
        """Name the failed step in the error; each kind of server has errors of its own."""
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:
            lines = str(exc).splitlines()
            reason = lines[0] if lines else type(exc).__name__
            raise StoreUnavailableError(f"cannot {action} {self.at(key)}: {reason}") from exc


def _stored(info: Mapping[str, Any]) -> Stored:
    facts = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "created")
    return Stored(info["size"], " ".join(str(info[fact]) for fact in facts if fact in info))


def _content(answer: bytes | Exception) -> bytes | None:
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, FileNotFoundError) and _code(answer) != "NoSuchBucket":
        return None
    if _code(answer) == "InvalidRange":  # of an empty object
        return b""
    raise answer


def _response(exc: Exception) -> Mapping[str, Any]:
    """Return S3's own error, which s3fs keeps as the cause of its error."""
    found: Mapping[str, Any] = getattr(exc.__cause__, "response", {})
    return found


def _code(exc: Exception) -> str | None:
    code: str | None = _response(exc).get("Error", {}).get("Code")
    return code
