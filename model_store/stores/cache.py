"""Versions kept on this machine: <cache>/<store>/<model>/<version>/, shared by several processes.

What is given out has been checked against its manifest. The longest unused go when the whole
grows too large.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import fcntl
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.base.errors import CorruptVersionError, InvalidDocumentError, explained
from model_store.base.json_documents import read_bytes
from model_store.version import drafts
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

CACHE_BYTES = 10 * 2**30
"""Enough for thousands of small models, or a dozen large ones."""
_HELD = 2
"""Entries that stay whatever the size: the version that serves may be read again, and the one
being tried."""
_LOCK = ".lock"

log = logging.getLogger(__name__)


def default_cache() -> Path:
    """Return the directory where versions are kept unless another is set: the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "glyph" / "versions"


class Cache:
    """Keeps verified versions below a directory."""

    def __init__(self, root: Path, limit: int = CACHE_BYTES) -> None:
        """Prepare; nothing is made yet.

        Args:
            root: Made when it is needed.
            limit: How many bytes all entries may have, but for what was given out last.
        """
        self.root = root
        self._limit = limit
        self._held: collections.deque[int] = collections.deque()

    @explained("read the cache")
    def find(self, key: str, manifest: bytes) -> Path | None:
        """Return the entry that holds a version; None where there is none, or it was damaged.

        It stays until two others have been given out, or this process has ended.

        Raises:
            CorruptVersionError: If the entry is whole and of another manifest: then the version
                has changed, which none ever should.
        """
        entry = self.root / key
        try:
            descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits while somebody removes it, no longer
        try:
            known = _check(entry)
            if known is None:
                self._discard(entry, descriptor)
            elif known != manifest:
                problem = "is another than was fetched before; a version never changes"
                raise CorruptVersionError(
                    f"{key}/{MANIFEST}", f"{problem} (remove {entry} to take it nevertheless)"
                )
            else:
                os.utime(entry)
                self._hold(descriptor)
                descriptor = -1
                return entry
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return None

    def draft(self) -> AbstractContextManager[Path]:
        """Create a temporary directory; it is removed at the end unless it has been kept.

        What killed processes left is removed by the next one.
        """
        return drafts.begin(self.root, _LOCK, "write to the cache")

    @explained("write to the cache")
    def keep(self, draft: Path, key: str) -> None:
        """Make a verified draft the entry of a key, and make room.

        Where another process was faster, its entry stays.
        """
        entry = self.root / key
        entry.parent.mkdir(parents=True, exist_ok=True)
        draft.chmod(0o755)
        with self._locked():
            try:
                draft.rename(entry)
            except OSError as exc:
                if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            self._make_room(entry)

    @explained("write to the cache")
    def sign(self, entry: Path, signature: bytes | None) -> None:
        """Bring the signature of an entry up to date: the manifest does not cover it."""
        target = entry / SIGNATURE
        if signature is None:
            target.unlink(missing_ok=True)
        elif not _holds(target, signature):
            with self.draft() as temporary:
                (temporary / SIGNATURE).write_bytes(signature)
                (temporary / SIGNATURE).replace(target)

    def _hold(self, descriptor: int) -> None:
        self._held.append(descriptor)
        while len(self._held) > _HELD:
            os.close(self._held.popleft())

    def _discard(self, entry: Path, descriptor: int) -> None:
        """Remove a damaged entry, unless another process has done so and put a new one there."""
        log.warning("%s does not match its manifest, fetching it again", entry)
        with self._locked(), contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), entry.stat()):
                self._remove(entry)

    def _make_room(self, newest: Path) -> None:
        entries = [
            path
            for path in self.root.glob("[!.]*/*/*")
            if path != newest and not path.name.startswith(".")
        ]
        sizes = {path: _size(path) for path in entries}
        excess = _size(newest) + sum(sizes.values()) - self._limit
        for entry in sorted(entries, key=lambda path: path.stat().st_mtime):
            if excess <= 0:
                return
            if self._drop(entry):
                excess -= sizes[entry]

    def _drop(self, entry: Path) -> bool:
        """Remove an entry that no process holds."""
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove(entry)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _remove(self, entry: Path) -> None:
        temporary = drafts.create(self.root)
        entry.rename(temporary / entry.name)
        shutil.rmtree(temporary)

    def _locked(self) -> AbstractContextManager[None]:
        return drafts.lock_within(self.root, _LOCK)


def _check(entry: Path) -> bytes | None:
    """Return an entry's manifest; None if its files are not those it lists."""
    try:
        Manifest.read(entry).verify(entry)
        return read_bytes(entry / MANIFEST)
    except (CorruptVersionError, InvalidDocumentError):
        return None


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_bytes(path) == content
    except InvalidDocumentError:
        return False


def _size(entry: Path) -> int:
    return sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())
